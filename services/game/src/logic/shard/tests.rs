use arena_types::{FailoverPolicy, InstanceId, ReleaseId, SessionId};
use arena_wire::play::{
    Controls, EventKind, FrameHead, MatchStart, ServerMessage, View, decode_frame,
};

use super::*;
use crate::logic::hosted::{FRAME_PERIOD, LINGER_TICKS, Player, START_WAIT_TICKS};

const MATCH: MatchId = MatchId::from_u64(7);
const LINK: u64 = 1;

fn key() -> TokenKey {
    TokenKey::new(&[9; 32])
}

fn player(number: u64) -> PlayerId {
    PlayerId::from_u64(number)
}

/// A shard with one match, and what it said.
struct Game {
    shard: Shard,
    said: Effects,
}

impl Game {
    fn new(rules: &str, players: u8) -> Self {
        let instance: InstanceId = "game-r1-1".parse().unwrap();
        let owner = Arc::new(Owner { instance, release: ReleaseId(1) });
        let mut shard = Shard::new(arena_games::standard().worlds(), owner, key(), 2);
        shard.create(new_match(MATCH, rules, players), 1_000).unwrap();
        Self { shard, said: Effects::default() }
    }

    fn attach(&mut self, link: u64, seat: u8, ack: (u32, u32)) -> FlowKey {
        let attach = attach(seat, ack);
        self.shard.attach(link, &attach, 5, &mut self.said);
        FlowKey { link, flow: attach.flow }
    }

    fn steps(&mut self, ticks: u32) {
        (0..ticks).for_each(|_| self.shard.step(2_000, &mut self.said));
    }

    fn input(&mut self, key: FlowKey, seq: u32, tick: u32, controls: Controls) {
        let input = Input { seq, tick: Tick(tick), controls, ack_tick: Tick(0), ack_event: 0 };
        self.shard.input(key, &input, &mut self.said);
    }

    /// What was said to a flow, and forgets it.
    fn heard(&mut self, key: FlowKey) -> Vec<ToGateway> {
        let (mine, others) = std::mem::take(&mut self.said.messages)
            .into_iter()
            .partition(|(link, it)| *link == key.link && it.flow() == key.flow);
        self.said.messages = others;
        mine.into_iter().map(|(_, it)| it).collect()
    }

    /// The frames of a flow as a client without losses would see them.
    fn views(&mut self, key: FlowKey) -> Vec<(FrameHead, View)> {
        let mut views: Vec<(FrameHead, View)> = Vec::new();
        for (_, _, frame) in self.said.frames.iter().filter(|(it, ..)| *it == key) {
            let baseline = FrameHead::peek(frame).unwrap().baseline;
            let held = baseline.and_then(|tick| views.iter().find(|it| it.1.tick == tick.0));
            views.push(decode_frame(frame, held.map(|it| &it.1)).unwrap());
        }
        views
    }

    fn tick(&self) -> u32 {
        self.shard.describe()[0].tick
    }
}

fn new_match(id: MatchId, rules: &str, players: u8) -> NewMatch {
    let person =
        |seat| Player { id: player(u64::from(seat) + 100), name: format!("player {seat}"), seat };
    NewMatch {
        id,
        epoch: Epoch(1),
        seed: 3,
        mode: "arena".to_owned(),
        rules: arena_games::standard().parse_rules_text(rules).unwrap(),
        players: (0..players).map(person).collect(),
        filled_seats: 4,
        failover: FailoverPolicy::Off,
    }
}

fn attach(seat: u8, (ack_tick, ack_event): (u32, u32)) -> Attach {
    let claims = RouteClaims {
        match_id: MATCH,
        player: player(u64::from(seat) + 100),
        seat,
        expires_ms: 1_000,
    };
    Attach {
        flow: Flow(u32::from(seat) + 10),
        session: SessionId::from_u64(1),
        match_id: MATCH,
        epoch: Epoch(1),
        player: claims.player,
        seat,
        route_token: claims.sign(&key()),
        ack_tick: Tick(ack_tick),
        ack_event,
        connection: 0,
    }
}

fn started(heard: &[ToGateway]) -> MatchStart {
    let start = heard.iter().find_map(|it| match it {
        ToGateway::Attached { start, .. } => Some(start),
        _ => None,
    });
    match ServerMessage::decode(start.unwrap()).unwrap() {
        ServerMessage::Start(start) => start,
        other => panic!("not a start: {other:?}"),
    }
}

fn events(heard: &[ToGateway]) -> Vec<(u32, EventKind)> {
    heard
        .iter()
        .filter_map(|it| match it {
            ToGateway::Event { seq, event, .. } => Some((*seq, event)),
            _ => None,
        })
        .map(|(seq, event)| match ServerMessage::decode(event).unwrap() {
            ServerMessage::Event(event) if event.seq == seq => (seq, event.kind),
            other => panic!("not event {seq}: {other:?}"),
        })
        .collect()
}

fn refusal(heard: &[ToGateway]) -> Option<Refusal> {
    heard.iter().find_map(|it| match it {
        ToGateway::Refused { why, .. } => Some(*why),
        _ => None,
    })
}

/// Matches, those not over, sessions.
fn load(game: &Game) -> (u32, u32, u32) {
    let ShardLoad { hosted, running, sessions, .. } = game.shard.load();
    (hosted, running, sessions)
}

const LONG: &str = r#"{"version": 1}"#;
const SHORT: &str = r#"{"version": 1, "match": {"time_limit_ticks": 60}}"#;

#[test]
fn a_match_starts_when_all_are_there_or_after_its_wait() {
    let mut game = Game::new(LONG, 2);
    game.steps(10);
    game.attach(LINK, 0, (0, 0));
    game.steps(10);
    assert_eq!(game.tick(), 0);
    game.attach(LINK, 1, (0, 0));
    game.steps(3);
    assert_eq!(game.tick(), 3);
    let mut game = Game::new(LONG, 2);
    game.steps(START_WAIT_TICKS);
    assert_eq!(game.tick(), 0);
    game.steps(1);
    assert_eq!(game.tick(), 1);
}

#[test]
fn bots_fill_the_seats_that_are_wanted() {
    let game = Game::new(LONG, 1);
    let it = &game.shard.describe()[0];
    assert_eq!((it.players, it.bots), (1, 3));
}

#[test]
fn inputs_move_the_player_and_are_counted_in_frames() {
    let mut game = Game::new(LONG, 1);
    let key = game.attach(LINK, 0, (0, 0));
    assert_eq!(started(&game.heard(key)).seats.len(), 4);
    game.steps(2);
    let before = game.views(key).last().unwrap().1.own.unwrap();
    for seq in 1..=30 {
        let (x, y) = if before.x < 32 << 16 { (127, 0) } else { (-127, 0) };
        let tick = game.tick() + 1;
        let controls = Controls { move_x: x, move_y: y, aim: 64, buttons: 0 };
        game.input(key, seq, tick, controls);
        game.steps(1);
    }
    let views = game.views(key);
    let (head, view) = views.last().unwrap();
    let own = view.own.unwrap();
    assert_eq!((head.input_seq, head.epoch, view.tick), (30, Epoch(1), 32));
    assert!(own.x.abs_diff(before.x) > 1 << 16, "{before:?} to {own:?}");
    assert_eq!(view.players[0].aim, 64);
    assert!(views.windows(2).all(|it| it[1].1.tick == it[0].1.tick + FRAME_PERIOD));
    assert_eq!(game.said.inputs, InputFigures { on_time: 30, late: 0, dropped: 0 });
}

#[test]
fn who_leaves_is_replaced_by_a_bot_for_good() {
    let mut game = Game::new(LONG, 2);
    let (first, second) = (game.attach(LINK, 0, (0, 0)), game.attach(LINK, 1, (0, 0)));
    game.steps(5);
    game.shard.detach(first, Leave::Left);
    game.steps(1);
    let heard = events(&game.heard(second));
    assert!(matches!(&heard[0].1, EventKind::Seat(it) if it.seat == 0 && it.bot), "{heard:?}");
    game.heard(first);
    game.attach(LINK, 0, (0, 0));
    assert_eq!(refusal(&game.heard(first)), Some(Refusal::Left));
}

#[test]
fn a_lost_player_comes_back_to_the_same_seat_and_hears_what_was_missed() {
    let mut game = Game::new(LONG, 2);
    let (first, second) = (game.attach(LINK, 0, (0, 0)), game.attach(LINK, 1, (0, 0)));
    game.steps(10);
    let held = game.views(first).last().unwrap().1.tick;
    game.shard.detach(first, Leave::Lost);
    game.steps(29);
    assert_eq!(game.shard.describe()[0].players, 2, "the seat is held for a moment");
    game.steps(60);
    assert_eq!(game.shard.describe()[0].players, 1, "a bot plays");
    let seen = 0;
    game.heard(first);
    game.said.frames.clear();
    let again = game.attach(2, 0, (held, seen));
    game.steps(4);
    let heard = game.heard(again);
    assert_eq!(started(&heard).seat, 0);
    assert_eq!(game.shard.describe()[0].players, 2);
    let told = events(&game.heard(second));
    let hands: Vec<bool> = told
        .iter()
        .filter_map(|(_, it)| match it {
            EventKind::Seat(it) if it.seat == 0 => Some(it.bot),
            _ => None,
        })
        .collect();
    assert_eq!(hands, [true, false]);
    let missed = told.first().unwrap().0;
    game.shard.detach(again, Leave::Moved);
    let third = game.attach(3, 0, (0, missed));
    game.steps(1);
    let heard = game.heard(third);
    assert_eq!(started(&heard).event_seq, missed);
    assert_eq!(events(&heard).first().map(|it| it.0), Some(missed + 1));
}

#[test]
fn a_resumed_session_gets_a_delta_against_the_frame_it_holds() {
    let mut game = Game::new(LONG, 1);
    let first = game.attach(LINK, 0, (0, 0));
    game.steps(20);
    let held = game.views(first).last().unwrap().1.tick;
    game.shard.detach(first, Leave::Moved);
    game.said.frames.clear();
    let again = game.attach(2, 0, (held, 0));
    game.steps(2);
    let (_, _, frame) = game.said.frames.iter().find(|it| it.0 == again).unwrap();
    assert_eq!(FrameHead::peek(frame).unwrap().baseline, Some(Tick(held)));
}

#[test]
fn a_second_session_supersedes_the_first() {
    let mut game = Game::new(LONG, 1);
    let old = game.attach(LINK, 0, (0, 0));
    let other = Attach { session: SessionId::from_u64(2), ..attach(0, (0, 0)) };
    game.shard.attach(2, &other, 5, &mut game.said);
    let new = FlowKey { link: 2, flow: other.flow };
    assert!(game.heard(old).contains(&ToGateway::Replaced { flow: old.flow }));
    game.shard.detach(old, Leave::Left); // comes late, from a gateway that drains
    game.steps(2);
    assert_eq!(game.shard.describe()[0].players, 1);
    let next = started(&game.heard(new)).input_seq + 1;
    game.input(new, next, 3, Controls::default());
    game.input(old, next + 1, 3, Controls::default());
    assert_eq!(game.said.inputs, InputFigures { on_time: 1, late: 0, dropped: 1 });
}

#[test]
fn every_refusal_of_a_seat() {
    let other_key = |it: Attach| Attach {
        route_token: RouteClaims {
            match_id: MATCH,
            player: it.player,
            seat: it.seat,
            expires_ms: 1_000,
        }
        .sign(&TokenKey::new(&[8; 32])),
        ..it
    };
    let elsewhere = MatchId::from_u64(8);
    let moved = |it: Attach| {
        let claims =
            RouteClaims { match_id: elsewhere, player: it.player, seat: 0, expires_ms: 1_000 };
        Attach { match_id: elsewhere, route_token: claims.sign(&key()), ..it }
    };
    let good = attach(0, (0, 0));
    for (name, attach, expected) in [
        ("another key", other_key(good.clone()), Refusal::BadToken),
        ("another seat", Attach { seat: 1, ..good.clone() }, Refusal::BadToken),
        ("another player", Attach { player: player(1), ..good.clone() }, Refusal::BadToken),
        ("a seat nobody reserved", attach(3, (0, 0)), Refusal::BadToken),
        ("another match", moved(good.clone()), Refusal::UnknownMatch),
        ("a newer epoch", Attach { epoch: Epoch(2), ..good }, Refusal::OldEpoch),
    ] {
        let mut game = Game::new(LONG, 1);
        game.shard.attach(LINK, &attach, 5, &mut game.said);
        let heard = game.heard(FlowKey { link: LINK, flow: attach.flow });
        assert_eq!(refusal(&heard), Some(expected), "{name}");
    }
    let mut game = Game::new(LONG, 1);
    game.shard.attach(LINK, &attach(0, (0, 0)), 1_000, &mut game.said);
    let heard = game.heard(FlowKey { link: LINK, flow: Flow(10) });
    assert_eq!(refusal(&heard), Some(Refusal::BadToken), "an expired token");
}

#[test]
fn a_finished_match_is_told_recorded_and_forgotten_in_this_order() {
    let mut game = Game::new(SHORT, 1);
    let key = game.attach(LINK, 0, (0, 0));
    game.steps(61);
    let [result] = game.said.results.as_slice() else { panic!("one result") };
    assert_eq!((result.ticks, result.standings.len()), (60, 4));
    assert_eq!(result.standings.iter().filter(|it| !it.player.is_empty()).count(), 1);
    let heard = game.heard(key);
    let (last, end) = events(&heard).pop().unwrap();
    assert!(matches!(end, EventKind::End { standings } if standings.len() == 4));
    assert!(!heard.contains(&ToGateway::Ended { flow: key.flow, match_id: MATCH }));
    game.shard.ack(key, Tick(0), last);
    game.steps(1);
    assert!(game.heard(key).contains(&ToGateway::Ended { flow: key.flow, match_id: MATCH }));
    game.steps(LINGER_TICKS * 2);
    assert_eq!(load(&game), (1, 0, 0), "its result is not recorded yet");
    game.shard.recorded(MATCH);
    game.steps(1);
    assert_eq!(load(&game), (0, 0, 0));
    game.attach(LINK, 0, (0, 0));
    assert_eq!(refusal(&game.heard(key)), Some(Refusal::Over));
    assert_eq!(game.said.results.len(), 1);
    assert_eq!(game.shard.create(new_match(MATCH, LONG, 1), 0), Err(CreateError::Over));
}

#[test]
fn who_resumes_after_the_end_still_hears_of_it() {
    let mut game = Game::new(SHORT, 1);
    let key = game.attach(LINK, 0, (0, 0));
    game.shard.detach(key, Leave::Lost);
    game.steps(130);
    game.heard(key);
    let again = game.attach(2, 0, (0, 0));
    game.steps(1);
    let told = events(&game.heard(again));
    assert!(matches!(told.as_slice(), [(_, EventKind::End { .. })]), "{told:?}");
}

#[test]
fn a_match_nobody_can_come_back_to_ends_at_once_and_one_somebody_can_later() {
    for (why, ticks) in [(Leave::Left, 1), (Leave::Lost, 1_900)] {
        let mut game = Game::new(LONG, 1);
        let key = game.attach(LINK, 0, (0, 0));
        game.steps(5);
        game.shard.detach(key, why);
        game.steps(ticks);
        assert_eq!(game.said.results.len(), 1, "{why:?}");
        assert!(game.said.results[0].standings.iter().any(|it| it.left));
    }
}

#[test]
fn a_match_of_bots_alone_does_not_hold_up_a_drain() {
    /// Ticks until the seat of a lost player is a bot's.
    const HELD_TICKS: u32 = 30;
    let mut game = Game::new(LONG, 1);
    let key = game.attach(LINK, 0, (0, 0));
    game.steps(5);
    game.shard.detach(key, Leave::Lost);
    game.steps(HELD_TICKS + ABANDONED_DRAINING_TICKS);
    assert_eq!(game.said.results.len(), 0, "without a drain the player has longer to come back");
    game.shard.drain(true);
    game.steps(2);
    let [result] = game.said.results.as_slice() else { panic!("one result") };
    let player = result.standings.iter().find(|it| !it.player.is_empty()).unwrap();
    assert!(player.left && result.ticks < ABANDONED_TICKS, "{result:?}");
}

#[test]
fn a_draining_match_goes_on_for_whoever_comes_back() {
    let mut game = Game::new(LONG, 1);
    let key = game.attach(LINK, 0, (0, 0));
    game.shard.drain(true);
    game.steps(5);
    game.shard.detach(key, Leave::Lost);
    game.steps(ABANDONED_DRAINING_TICKS);
    game.attach(2, 0, (4, 0));
    game.steps(2 * ABANDONED_DRAINING_TICKS);
    assert_eq!((game.said.results.len(), load(&game)), (0, (1, 1, 1)));
}

#[test]
fn who_resumes_with_frames_but_without_events_hears_all_of_them() {
    let mut game = Game::new(LONG, 2);
    let (first, second) = (game.attach(LINK, 0, (0, 0)), game.attach(LINK, 1, (0, 0)));
    game.steps(4);
    let held = game.views(first).last().unwrap().1.tick;
    assert_eq!(events(&game.heard(first)), [], "nothing happened before");
    game.shard.detach(first, Leave::Lost); // the next event is on its way
    game.shard.detach(second, Leave::Left);
    game.steps(2);
    let again = game.attach(2, 0, (held, 0));
    game.steps(2);
    let heard = game.heard(again);
    assert_eq!(started(&heard).event_seq, 0);
    assert!(matches!(events(&heard).first(), Some((1, EventKind::Seat(it))) if it.seat == 1));
    game.shard.detach(again, Leave::Lost);
    let reloaded = game.attach(3, 0, (0, 0));
    game.steps(2);
    let heard = game.heard(reloaded);
    assert_eq!(started(&heard).event_seq, 1, "a page that holds nothing starts with how it stands");
    assert_eq!(events(&heard), []);
}

#[test]
fn who_resumes_after_the_end_is_told_of_it_whatever_was_seen() {
    for seen in [0, 1, 99] {
        let mut game = Game::new(SHORT, 1);
        let key = game.attach(LINK, 0, (0, 0));
        game.steps(10);
        game.shard.detach(key, Leave::Lost);
        game.steps(120);
        let again = game.attach(2, 0, (10, seen));
        game.steps(1);
        let told = events(&game.heard(again));
        assert!(matches!(told.last(), Some((_, EventKind::End { .. }))), "{seen}: {told:?}");
    }
}

#[test]
fn creating_again_changes_nothing_and_a_full_shard_says_so() {
    let mut game = Game::new(LONG, 1);
    assert_eq!(game.shard.create(new_match(MATCH, LONG, 1), 0), Ok(()));
    let other = NewMatch { epoch: Epoch(2), ..new_match(MATCH, LONG, 1) };
    let hosted = Epoch(1);
    assert_eq!(game.shard.create(other, 0), Err(CreateError::OtherEpoch { hosted }));
    let second = new_match(MatchId::from_u64(8), LONG, 1);
    assert_eq!(game.shard.create(second, 0), Ok(()));
    let third = new_match(MatchId::from_u64(9), LONG, 1);
    assert_eq!(game.shard.create(third, 0), Err(CreateError::Full { capacity: 2 }));
}

#[test]
fn ending_all_records_what_ran() {
    let mut game = Game::new(LONG, 1);
    let key = game.attach(LINK, 0, (0, 0));
    game.steps(5);
    assert_eq!(game.shard.end_all(3_000, &mut game.said), 1);
    assert_eq!(game.shard.end_all(3_000, &mut game.said), 0);
    game.steps(1);
    assert_eq!(game.said.results.len(), 1);
    assert!(events(&game.heard(key)).iter().any(|it| matches!(it.1, EventKind::End { .. })));
}

#[test]
fn a_lost_link_frees_the_seats_of_its_sessions_alone() {
    let mut game = Game::new(LONG, 2);
    game.attach(LINK, 0, (0, 0));
    game.attach(2, 1, (0, 0));
    game.steps(5);
    game.shard.link_lost(LINK);
    game.steps(100);
    assert_eq!(load(&game), (1, 1, 1));
    let it = &game.shard.describe()[0];
    assert_eq!((it.players, it.bots), (1, 3));
}

#[test]
fn what_is_recorded_of_a_match_plays_it_again() {
    let mut game = Game::new(r#"{"version": 1, "match": {"time_limit_ticks": 700}}"#, 1);
    game.shard.record(Tapes::on(arena_games::standard().schema()).unwrap());
    let key = game.attach(LINK, 0, (0, 0));
    for seq in 1..=350 {
        let controls = Controls { move_x: 90, aim: seq as u8, buttons: 1, ..Controls::default() };
        game.input(key, seq, game.tick() + 1, controls);
        game.steps(1);
    }
    game.steps(400);
    assert_eq!(game.said.results.len(), 1);
    let id = crate::logic::tape::ReplayId { match_id: MATCH, epoch: Epoch(1) };
    let mut file = Vec::new();
    let (end, blocks) = game.said.taped.split_last().unwrap();
    assert_eq!(*end, Taped::End { id });
    for taped in blocks {
        let Taped::Bytes { id: of, offset, block } = taped else { panic!("{taped:?}") };
        assert_eq!((*of, *offset), (id, file.len() as u64));
        file.extend(&block.bytes);
    }
    let reader = arena_replay::Reader::open(std::io::Cursor::new(file)).unwrap();
    let header = reader.header().clone();
    assert_eq!((header.match_id, header.epoch), (MATCH.to_string(), 1));
    assert_eq!(header.players[0].id, player(100).to_string());
    let outcome = reader.footer().unwrap().outcome.clone();
    assert_eq!((outcome.reason.as_str(), outcome.standings.len()), ("time", 4));
    let again = arena_replay::GameMatch::new(arena_games::standard());
    let found = arena_replay::verify(reader, again, |_| ()).unwrap();
    assert!(found.is_true(), "{:?}", found.problems);
    assert_eq!((found.compared.ticks, found.compared.keyframes), (700, 1));
}

#[path = "tests/ways.rs"]
mod ways;
