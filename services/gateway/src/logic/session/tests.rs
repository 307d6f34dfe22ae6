use std::fmt::Write as _;

use arena_types::{InstanceId, ReleaseId};
use arena_wire::play::{Controls, Event as MatchEvent, Input, SeatName, Standing};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::queued::{AWAY, QUEUE_PATIENCE_MS};
use super::*;

const PLAYER: PlayerId = PlayerId::from_u64(1);
const MATCH: MatchId = MatchId::from_u64(9);

fn instance(name: &str) -> InstanceId {
    name.parse().unwrap()
}

fn seat(epoch: u32) -> Seat {
    Seat {
        match_id: MATCH,
        owner: instance("game-r1-1"),
        epoch: Epoch(epoch),
        seat: 3,
        route_token: vec![7],
    }
}

fn start(epoch: u32, owner: &str, input_seq: u32) -> Event {
    Event::Attach(Box::new(MatchStart {
        match_id: MATCH,
        seat: 3,
        epoch: Epoch(epoch),
        owner: instance(owner),
        release: ReleaseId(1),
        game: "arena".to_owned(),
        mode: "arena".to_owned(),
        tick: Tick(60),
        input_seq,
        event_seq: 0,
        rules: "{}".to_owned(),
        seats: vec![SeatName { seat: 3, bot: false, name: "Ada".to_owned() }],
    }))
}

fn end() -> Event {
    let standing =
        Standing { seat: 3, rank: 1, bot: false, kills: 4, deaths: 1, name: "Ada".to_owned() };
    let kind = EventKind::End { standings: vec![standing] };
    Event::Match(Box::new(MatchEvent { seq: 8, tick: Tick(900), kind }))
}

fn placement(epoch: u32, owner: &str) -> Event {
    let it = Placement { owner: instance(owner), epoch: Epoch(epoch), release: ReleaseId(2) };
    Event::Placement(MATCH, Some(it))
}

fn drain() -> Event {
    let resume_token = String::new();
    Event::Drain(Move { endpoint: String::new(), resume_token, after_ms: 0, within_ms: 250 })
}

fn queue() -> Event {
    Event::Client(ClientMessage::Queue { mode: "arena".to_owned(), rtts: Vec::new() })
}

fn watch(tick: u32) -> Event {
    let watch = Watch { match_id: MATCH, tick: Tick(tick), pace: Watch::REAL_TIME };
    Event::Client(ClientMessage::Watch(watch))
}

fn watch_start() -> Event {
    let Event::Attach(start) = start(9, "game-r2-1", 0) else { unreachable!() };
    Event::Attach(Box::new(MatchStart { seat: MatchStart::WATCHES, ..*start }))
}

fn wait(ticket: TicketId, reason: &str) -> Event {
    let reason = reason.to_owned();
    Event::Ticket(ticket, TicketEvent::Wait { tickets: 2, window: 50, reason })
}

fn session() -> Session {
    Session::new(SessionId::from_u64(5), (PLAYER, "Ada".to_owned()), 0, 42)
}

/// Queues and returns the ticket.
fn queued(session: &mut Session, now_ms: u64) -> TicketId {
    let effects = session.on(queue(), now_ms);
    effects
        .iter()
        .find_map(|it| if let Effect::Enqueue(it) = it { Some(it.id) } else { None })
        .unwrap()
}

fn playing() -> Session {
    let mut session = session();
    let ticket = queued(&mut session, 0);
    session.on(Event::Ticket(ticket, TicketEvent::Assign(seat(1))), 10);
    session.on(start(1, "game-r1-1", 0), 20);
    session
}

/// One effect in a few words.
fn brief(effect: &Effect) -> String {
    match effect {
        Effect::Send(message) => match message {
            ServerMessage::Queue(QueueUpdate::Idle { reason }) if reason.is_empty() => {
                "say idle".to_owned()
            }
            ServerMessage::Queue(QueueUpdate::Idle { reason }) => format!("say idle: {reason}"),
            ServerMessage::Queue(QueueUpdate::Waiting { waited_ms, reason, .. }) => {
                let why = if reason.is_empty() { "" } else { ": " };
                format!("say waiting {waited_ms}{why}{reason}")
            }
            ServerMessage::Queue(QueueUpdate::Assigned { .. }) => "say assigned".to_owned(),
            ServerMessage::Start(it) => format!("say start at {} e{}", it.owner, it.epoch),
            ServerMessage::Owner(it) => {
                let what = if it.moving { "moving to" } else { "owner" };
                format!("say {what} {} e{}", it.instance, it.epoch)
            }
            ServerMessage::Event(_) => "say event".to_owned(),
            ServerMessage::Error { code, .. } => format!("say {code:?}"),
            ServerMessage::Party(it) => format!("say party {}", it.is_some()),
            ServerMessage::Move(_) => "say move".to_owned(),
            other => format!("say {other:?}"),
        },
        Effect::Close(code) => format!("close {code:?}"),
        Effect::Enqueue(ticket) => format!("enqueue, waited {} ms", ticket.waited_ms),
        Effect::CancelTicket(_) => "cancel the ticket".to_owned(),
        Effect::Attach { seat, ack_tick, ack_event } => {
            format!(
                "attach to {} e{} from tick {ack_tick}, event {ack_event}",
                seat.owner, seat.epoch
            )
        }
        Effect::AttachNext { seat, ack_tick, ack_event } => {
            format!(
                "attach to {} e{} too, from tick {ack_tick}, event {ack_event}",
                seat.owner, seat.epoch
            )
        }
        Effect::DetachNext(why) => format!("detach there: {why:?}"),
        Effect::Promote => "go over".to_owned(),
        Effect::Watch { watch, at } => {
            let at = at.as_ref().map_or("any game", InstanceId::as_str);
            format!("watch at {at} from tick {}, pace {}", watch.tick, watch.pace)
        }
        Effect::Detach(why) => format!("detach: {why:?}"),
        Effect::Locate(_) => "locate".to_owned(),
        Effect::AskParty(call) => format!("party: {call:?}"),
        Effect::FollowRating(_) => "follow the rating".to_owned(),
        Effect::Save(record) => match &record.activity {
            Activity::Lobby => "save lobby".to_owned(),
            Activity::Queued(it) => format!("save queued {} ms", it.waited_ms),
            Activity::Match(it) => format!("save match at {} e{}", it.owner, it.epoch),
        },
    }
}

#[track_caller]
fn check(mut session: Session, events: Vec<(u64, Event)>, expect: &Expect) {
    let mut text = String::new();
    for (now_ms, event) in events {
        let effects: Vec<_> = session.on(event, now_ms).iter().map(brief).collect();
        writeln!(text, "{now_ms}: {}", effects.join(" · ")).unwrap();
    }
    expect.assert_eq(&text);
}

#[test]
fn a_match_from_the_queue_to_the_lobby() {
    let mut session = session();
    let ticket = queued(&mut session, 0);
    check(
        session,
        vec![
            (500, wait(ticket, "")),
            (700, wait(ticket, "every game server is full")),
            (900, Event::Ticket(ticket, TicketEvent::Assign(seat(1)))),
            (950, start(1, "game-r1-1", 0)),
            (9_000, end()),
            (9_030, Event::Ended(MATCH)),
        ],
        &expect![[r"
            500: say waiting 500
            700: say waiting 700: every game server is full
            900: say assigned · attach to game-r1-1 e1 from tick 0, event 0 · save match at game-r1-1 e1
            950: say start at game-r1-1 e1
            9000: say event · follow the rating
            9030: detach: Lost · save lobby
        "]],
    );
}

#[test]
fn a_lost_game_is_looked_for_until_it_is_found() {
    check(
        playing(),
        vec![
            (1_000, Event::LinkLost(Epoch(1))),
            (1_010, placement(1, "game-r1-1")),
            (1_020, Event::AttachRefused(AttachRefusal::Unreachable, Epoch(1))),
            (2_000, Event::Timer),
            (2_010, placement(2, "game-r2-1")),
            (2_020, start(2, "game-r2-1", 50)),
        ],
        &expect![[r"
            1000: locate
            1010: say moving to game-r1-1 e1 · attach to game-r1-1 e1 from tick 0, event 0
            1020: 
            2000: locate
            2010: say moving to game-r2-1 e2 · attach to game-r2-1 e2 from tick 0, event 0
            2020: say start at game-r2-1 e2
        "]],
    );
}

#[test]
fn no_session_falls_to_a_lower_epoch() {
    let mut session = playing();
    session.on(Event::LinkLost(Epoch(1)), 0);
    session.on(placement(3, "game-r3-1"), 1);
    check(
        session,
        vec![
            (2, start(2, "game-r2-1", 0)),
            (3, placement(2, "game-r2-1")),
            (4, start(3, "game-r3-1", 0)),
        ],
        &expect![[r"
            2: 
            3: 
            4: say start at game-r3-1 e3
        "]],
    );
}

#[test]
fn who_watches_asks_the_owner_then_others_and_goes_on_after_a_loss() {
    let ack = Input { ack_tick: Tick(300), ack_event: 2, ..input(1) };
    let mut watching = session();
    for event in [watch(60), placement(2, "game-r1-1"), watch_start()] {
        watching.on(event, 0);
    }
    assert_eq!(watching.input(ack), Ok(Some(ack)), "a game hears what the client holds");
    check(
        watching,
        vec![
            (0, end()),
            (1, Event::LinkLost(Epoch(1))),
            (2, placement(3, "game-r1-2")),
            (3, Event::AttachRefused(AttachRefusal::Unknown, Epoch(1))),
            (4, watch_start()),
            (5, watch(900)),
            (6, Event::Placement(MATCH, None)),
            (7, Event::AttachRefused(AttachRefusal::Unknown, Epoch(1))),
            (8, Event::AttachRefused(AttachRefusal::Unreachable, Epoch(1))),
            (2_000, Event::Timer),
            (2_001, Event::AttachRefused(AttachRefusal::Unreachable, Epoch(1))),
            (4_000, Event::Timer),
            (4_001, Event::AttachRefused(AttachRefusal::Unknown, Epoch(1))),
        ],
        &expect![[r"
            0: say event
            1: locate
            2: watch at game-r1-2 from tick 300, pace 4
            3: watch at any game from tick 300, pace 4
            4: say start at game-r2-1 e9
            5: detach: Left · locate
            6: watch at any game from tick 900, pace 4
            7: watch at any game from tick 900, pace 4
            8: 
            2000: watch at any game from tick 900, pace 4
            2001: 
            4000: watch at any game from tick 900, pace 4
            4001: say MatchGone · detach: Left · save lobby · say idle
        "]],
    );
    check(
        session(),
        vec![(0, watch(60)), (1, placement(1, "game-r1-1")), (2, watch_start()), (3, queue())],
        &expect![[r"
            0: locate
            1: watch at game-r1-1 from tick 60, pace 4
            2: say start at game-r2-1 e9
            3: detach: Left · save lobby · say idle · enqueue, waited 0 ms · say waiting 0 · save queued 0 ms
        "]],
    );
    check(
        playing(),
        vec![(0, watch(60))],
        &expect![[r"
        0: 
    "]],
    );
}

#[test]
fn a_match_that_nobody_knows_is_given_up() {
    let mut session = playing();
    session.on(Event::LinkLost(Epoch(1)), 0);
    let mut asked = 0;
    for now_ms in (0..60_000).step_by(100) {
        let effects = session.on(Event::AttachRefused(AttachRefusal::Unknown, Epoch(1)), now_ms);
        asked += 1;
        if effects.iter().any(|it| brief(it) == "say MatchGone") {
            break;
        }
    }
    assert_eq!(asked, UNKNOWN_MAX);
    assert_eq!(session.in_match(), None);

    // An owner that was away before, and one that does not know it yet, are waited for.
    let mut session = playing();
    session.on(Event::LinkLost(Epoch(1)), 0);
    for (now_ms, refusal) in [
        (100, AttachRefusal::Unreachable),
        (300, AttachRefusal::Unreachable),
        (700, AttachRefusal::Unreachable),
        (1_500, AttachRefusal::Unknown),
        (2_500, AttachRefusal::Unknown),
    ] {
        session.on(Event::AttachRefused(refusal, Epoch(1)), now_ms);
        assert_eq!(session.in_match(), Some(MATCH), "after {now_ms} ms");
    }
}

#[test]
fn a_broken_queue_is_entered_again_with_its_age() {
    let mut session = session();
    let ticket = queued(&mut session, 1_000);
    let told = session.on(Event::Ticket(ticket, TicketEvent::Break), 4_000);
    let told: Vec<_> = told.iter().map(brief).collect();
    assert_eq!(told, [format!("say waiting 3000: {AWAY}")]);
    let wake_at_ms = session.wake_at_ms().unwrap();
    assert!((4_000..5_000).contains(&wake_at_ms), "{wake_at_ms}");
    let effects = session.on(Event::Timer, wake_at_ms);
    let Some(Effect::Enqueue(again)) = effects.first() else { panic!("{effects:?}") };
    assert_eq!((again.id, again.waited_ms), (ticket, wake_at_ms - 1_000));
    for now_ms in [4_000 + QUEUE_PATIENCE_MS - 1, 4_000 + QUEUE_PATIENCE_MS] {
        session.on(Event::Ticket(ticket, TicketEvent::Break), now_ms);
    }
    assert_eq!(session.record(0).activity, Activity::Lobby);
}

#[test]
fn a_draining_gateway_hands_a_queued_player_on() {
    let mut session = session();
    queued(&mut session, 0);
    check(
        session,
        vec![(3_000, drain()), (3_100, drain()), (3_200, Event::Close)],
        &expect![[r"
            3000: save queued 3000 ms · say move
            3100: 
            3200: 
        "]],
    );
}

#[test]
fn nothing_begins_at_a_gateway_that_goes_away() {
    check(
        session(),
        vec![(0, drain()), (1, queue()), (2, watch(0)), (3, Event::Close)],
        &expect!["0: save lobby · say move\n1: \n2: \n3: \n"],
    );
}

#[test]
fn what_a_closed_socket_leaves_depends_on_what_it_did() {
    check(playing(), vec![(0, Event::Close)], &expect!["0: detach: Lost\n"]);
    let moving = vec![(0, drain()), (1, Event::Replaced)];
    check(
        playing(),
        moving,
        &expect![[r"
        0: save match at game-r1-1 e1 · say move
        1: close Moved
    "]],
    );
    check(playing(), vec![(0, Event::Replaced)], &expect!["0: close TakenOver\n"]);
    let mut alone = session();
    queued(&mut alone, 0);
    check(alone, vec![(5, Event::Close)], &expect!["5: cancel the ticket · save lobby\n"]);
}

#[test]
fn a_session_resumes_where_it_was() {
    let resume = |session: &Session, now_ms| {
        let record = session.record(now_ms);
        let (mut resumed, effects) = Session::resume(&record, (Tick(600), 4), 1, 100);
        assert!(resumed.on(Event::Timer, 100).is_empty(), "each effect is given out once");
        effects.iter().map(brief).collect::<Vec<_>>().join(" · ")
    };
    expect!["say idle"].assert_eq(&resume(&session(), 0));
    expect!["attach to game-r1-1 e1 from tick 600, event 4 · save match at game-r1-1 e1"]
        .assert_eq(&resume(&playing(), 0));
    let mut waiting = session();
    queued(&mut waiting, 0);
    expect!["enqueue, waited 2500 ms · say waiting 2500 · save queued 2500 ms"]
        .assert_eq(&resume(&waiting, 2_500));
}

#[test]
fn a_party_is_queued_by_its_leader_alone_and_followed_by_all() {
    let party = |leader: u64, ticket: Option<u64>| {
        let party = Party {
            code: "K7QF2M".parse().unwrap(),
            leader: PlayerId::from_u64(leader),
            mode: "arena".to_owned(),
            queued: ticket.is_some(),
            members: Vec::new(),
        };
        Event::Party(Some(PartyState { party, ticket: ticket.map(TicketId::from_u64) }))
    };
    check(
        session(),
        vec![(0, party(2, None)), (1, queue()), (2, party(2, Some(77))), (3, party(2, Some(77)))],
        &expect![[r"
            0: say party true · save lobby
            1: say NotLeader
            2: say party true · enqueue, waited 0 ms · say waiting 0 · save queued 0 ms
            3: say party true
        "]],
    );
    let mut leader = session();
    leader.on(party(1, None), 0);
    let effects = leader.on(queue(), 1);
    assert!(matches!(&effects[..], [Effect::AskParty(PartyCall::Queue(_, _))]), "{effects:?}");
}

fn input(seq: u32) -> Input {
    let controls = Controls::default();
    Input { seq, tick: Tick(1), controls, ack_tick: Tick(0), ack_event: 0 }
}

#[test]
fn inputs_count_on_from_each_start_and_never_back() {
    let mut session = playing();
    let passed = |session: &mut Session, seq| session.input(input(seq)).map(|it| it.is_some());
    for (seq, result) in [
        (1, Ok(true)),
        (2, Ok(true)),
        (2, Err(Code::Replayed)),
        (0, Err(Code::Replayed)),
        (9, Ok(true)),
    ] {
        assert_eq!(passed(&mut session, seq), result, "{seq}");
    }
    session.on(Event::LinkLost(Epoch(1)), 0);
    assert_eq!(passed(&mut session, 10), Ok(false), "nobody takes it");
    session.on(placement(2, "game-r2-1"), 1);
    session.on(start(2, "game-r2-1", 6), 2);
    assert_eq!(passed(&mut session, 11), Ok(false), "sent before the start was seen");
    for (seq, result) in (7..=12).map(|it| (it, Ok(true))).chain([(12, Err(Code::Replayed))]) {
        assert_eq!(passed(&mut session, seq), result, "{seq} after the start");
    }
}

#[test]
fn a_client_sends_again_once_what_was_passed_on_before_it_saw_the_start() {
    let mut session = playing();
    session.on(Event::LinkLost(Epoch(1)), 0);
    session.on(placement(2, "game-r2-1"), 1);
    session.on(start(2, "game-r2-1", 6), 2);
    let results = [7, 8, 7, 8, 9, 8].map(|seq| session.input(input(seq)).map(|it| it.is_some()));
    let (passed, dropped) = (Ok(true), Ok(false));
    assert_eq!(results, [passed, passed, dropped, dropped, passed, Err(Code::Replayed)]);
}

fn any_event() -> impl Strategy<Value = Event> {
    let client = prop_oneof![
        Just(queue()),
        Just(Event::Client(ClientMessage::Cancel)),
        Just(Event::Client(ClientMessage::Leave)),
        Just(Event::Client(ClientMessage::PartyLeave)),
        Just(watch(60)),
        Just(Event::Client(ClientMessage::PartyCreate { mode: "arena".to_owned() })),
    ];
    let game = prop_oneof![
        (1_u32..4).prop_map(|it| start(it, "game-r1-1", 0)),
        Just(watch_start()),
        (1_u32..4).prop_map(|it| placement(it, "game-r2-1")),
        Just(Event::Placement(MATCH, None)),
        Just(end()),
        Just(Event::Ended(MATCH)),
        (1_u32..4).prop_map(|it| Event::LinkLost(Epoch(it))),
        (1_u32..4).prop_map(|it| Event::Moving(instance("game-r2-1"), Epoch(it))),
        (1_u32..4).prop_map(|it| Event::Moved(Epoch(it))),
        Just(Event::Staying),
        Just(Event::Replaced),
        (1_u32..4).prop_map(|it| Event::AttachRefused(AttachRefusal::Unreachable, Epoch(it))),
        Just(Event::AttachRefused(AttachRefusal::Gone, Epoch(1))),
    ];
    prop_oneof![
        client,
        game,
        Just(Event::Timer),
        Just(drain()),
        (1_u32..4, any::<bool>()).prop_map(|(epoch, wait)| {
            let event = if wait { TicketEvent::Break } else { TicketEvent::Assign(seat(epoch)) };
            Event::Ticket(TicketId::from_u64(0), event)
        }),
    ]
}

#[path = "tests/moving.rs"]
mod moving;

proptest! {
    #[test]
    fn no_order_of_events_breaks_a_session(events in prop::collection::vec((0_u64..2_000, any_event()), 0..60)) {
        let mut session = session();
        let (mut now_ms, mut epoch, mut ticket) = (0, Epoch(0), None);
        let mut is_there_too = false;
        for (wait_ms, event) in events {
            now_ms += wait_ms;
            let event = match (event, ticket) {
                (Event::Ticket(_, event), Some(ticket)) => Event::Ticket(ticket, event),
                (event, _) => event,
            };
            for effect in session.on(event, now_ms) {
                match effect {
                    Effect::Enqueue(it) => ticket = Some(it.id),
                    Effect::AttachNext { .. } => is_there_too = true,
                    Effect::DetachNext(_) | Effect::Promote => {
                        prop_assert!(std::mem::take(&mut is_there_too), "there is no seat to let go of");
                    }
                    Effect::Send(ServerMessage::Queue(QueueUpdate::Assigned { .. })) => epoch = Epoch(0),
                    Effect::Send(ServerMessage::Start(start)) if start.seat == MatchStart::WATCHES => {
                        prop_assert_eq!(session.in_match(), None);
                    }
                    Effect::Send(ServerMessage::Owner(owner)) => {
                        prop_assert!(owner.epoch >= epoch, "the epoch fell");
                    }
                    Effect::Send(ServerMessage::Start(start)) => {
                        prop_assert!(start.epoch >= epoch, "the epoch fell");
                        epoch = start.epoch;
                    }
                    Effect::Save(record) => {
                        let (resumed, _) = Session::resume(&record, (Tick(0), 0), 1, now_ms);
                        prop_assert_eq!(resumed.record(now_ms).activity, record.activity);
                    }
                    _ => {}
                }
            }
            let waits = matches!(&session.phase, Phase::Playing { next: Some(_), .. });
            prop_assert_eq!(is_there_too, waits, "a seat at the next owner leaks");
            prop_assert!(session.wake_at_ms().is_none_or(|it| it <= now_ms + 10_000));
        }
    }
}
