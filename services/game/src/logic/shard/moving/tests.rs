//! A match that moves is compared with one that does not: the players must not be able to tell.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use arena_types::{FailoverPolicy, PlayerId, ReleaseId, SessionId, Tick};
use arena_wire::play::{Controls, FrameHead, ServerMessage};
use arena_wire::token::{RouteClaims, TokenKey};
use proptest::prelude::*;

use super::*;
use crate::logic::hosted::{Owner, Player};
use crate::logic::tape::{ReplayId, Taped, Tapes};

const MATCH: MatchId = MatchId::from_u64(7);
const PLAYERS: u8 = 2;
const SOURCE_LINK: u64 = 1;
const TARGET_LINK: u64 = 2;

fn key() -> TokenKey {
    TokenKey::new(&[9; 32])
}

fn shard(instance: &str) -> Shard {
    let owner = Owner { instance: instance.parse().unwrap(), release: ReleaseId(1) };
    let mut shard = Shard::new(arena_games::standard().worlds(), owner.into(), key(), 2);
    shard.record(Tapes::on(arena_games::standard().schema()).unwrap());
    shard
}

fn target() -> InstanceId {
    "game-r2-0".parse().unwrap()
}

fn player(seat: u8) -> PlayerId {
    PlayerId::from_u64(u64::from(seat) + 100)
}

fn new_match() -> NewMatch {
    let person = |seat| Player { id: player(seat), name: format!("player {seat}"), seat };
    let rules = r#"{"version": 1, "match": {"time_limit_ticks": 900}}"#;
    NewMatch {
        id: MATCH,
        epoch: Epoch(1),
        seed: 3,
        mode: "arena".to_owned(),
        rules: arena_games::standard().parse_rules_text(rules).unwrap(),
        players: (0..PLAYERS).map(person).collect(),
        filled_seats: 6,
        failover: FailoverPolicy::Off,
    }
}

fn attach(seat: u8, epoch: u32, heard: u32) -> Attach {
    let claims = RouteClaims { match_id: MATCH, player: player(seat), seat, expires_ms: u64::MAX };
    Attach {
        flow: Flow(u32::from(seat)),
        session: SessionId::from_u64(1),
        match_id: MATCH,
        epoch: Epoch(epoch),
        player: player(seat),
        seat,
        route_token: claims.sign(&key()),
        ack_tick: Tick(0),
        ack_event: heard,
        connection: 0,
    }
}

fn input(seat: u8, step: u32, held: u32) -> Input {
    let controls = Controls {
        move_x: if step % 80 < 40 { 100 } else { -100 },
        move_y: 60,
        aim: (step * 3) as u8 ^ seat.wrapping_mul(77),
        buttons: u8::from(step % 7 < 3),
    };
    Input { seq: step, tick: Tick(step + 2), controls, ack_tick: Tick(held), ack_event: 0 }
}

/// What one player was told.
#[derive(Default)]
struct Told {
    frames: Vec<(u32, u32, u32)>,
    /// By sequence: told again is told once.
    events: BTreeMap<u32, Vec<u8>>,
}

/// A match on its way from one shard to another, with the gateway of its players.
struct Play {
    source: Shard,
    target: Shard,
    told: [Told; PLAYERS as usize],
    news: Vec<MoveNews>,
    arrived: Vec<MoveNews>,
    taped: Vec<Taped>,
    attached: u32,
    messages: Vec<(u64, ToGateway)>,
    both: bool,
    step: u32,
    owner_is_target: bool,
}

impl Play {
    fn new() -> Self {
        let mut source = shard("game-r1-0");
        source.create(new_match(), 1_000).unwrap();
        let mut play = Self {
            source,
            target: shard("game-r2-0"),
            told: Default::default(),
            news: Vec::new(),
            arrived: Vec::new(),
            taped: Vec::new(),
            attached: 0,
            messages: Vec::new(),
            both: false,
            step: 0,
            owner_is_target: false,
        };
        let mut effects = Effects::default();
        for seat in 0..PLAYERS {
            play.source.attach(SOURCE_LINK, &attach(seat, 1, 0), 5, &mut effects);
        }
        play.take(effects, true);
        play
    }

    /// One tick of both shards, inputs before it.
    fn tick(&mut self) {
        self.step += 1;
        for seat in 0..PLAYERS {
            let held = self.told[usize::from(seat)].frames.last().map_or(0, |it| it.1);
            let (input, flow) = (input(seat, self.step, held), Flow(u32::from(seat)));
            let (mut one, mut other) = (Effects::default(), Effects::default());
            if !self.owner_is_target {
                self.source.input(FlowKey { link: SOURCE_LINK, flow }, &input, &mut one);
            }
            if self.both {
                self.target.input(FlowKey { link: TARGET_LINK, flow }, &input, &mut other);
            }
        }
        self.source_tick();
        self.target_tick();
    }

    fn source_tick(&mut self) {
        let mut effects = Effects::default();
        self.source.step(2_000, &mut effects);
        self.take(effects, true);
    }

    fn target_tick(&mut self) {
        let mut effects = Effects::default();
        self.target.step(2_000, &mut effects);
        self.take(effects, false);
    }

    fn take(&mut self, effects: Effects, is_source: bool) {
        let news = if is_source { &mut self.news } else { &mut self.arrived };
        news.extend(effects.moves.into_iter().map(|(_, it)| it));
        self.taped.extend(effects.taped);
        for (key, tick, frame) in effects.frames {
            let head = FrameHead::peek(&frame).unwrap();
            assert_eq!(head.tick, tick);
            let told = &mut self.told[key.flow.0 as usize];
            told.frames.push((head.epoch.0, head.tick.0, head.input_seq));
        }
        for (link, message) in effects.messages {
            match &message {
                ToGateway::Event { flow, seq, event } => {
                    let ServerMessage::Event(read) = ServerMessage::decode(event).unwrap() else {
                        panic!("no event: {event:?}")
                    };
                    assert_eq!(read.seq, *seq);
                    let told = &mut self.told[flow.0 as usize];
                    let before = told.events.insert(*seq, event.clone());
                    assert!(before.is_none_or(|it| it == *event), "event {seq} changed");
                }
                ToGateway::Attached { epoch, .. } if link == TARGET_LINK => {
                    assert_eq!(*epoch, Epoch(2));
                    self.attached += 1;
                }
                _ => self.messages.push((link, message)),
            }
        }
    }

    /// Carries what the source said to the target.
    fn carry(&mut self) {
        let mut effects = Effects::default();
        for news in std::mem::take(&mut self.news) {
            match news {
                MoveNews::Stepped { tick, inputs, .. } => {
                    self.target.follow(MATCH, tick, vec![*inputs], &mut effects);
                }
                MoveNews::Closed { tick, hash, carried } => {
                    self.target.closing(MATCH, tick, hash, *carried);
                }
                other => panic!("{other:?}"),
            }
        }
        self.take(effects, false);
    }

    /// Reserves and announces after `before` ticks, warms for `warm` ticks, closes, owns after `late` ticks.
    fn move_match(&mut self, before: u32, warm: u32, late: u32, seated: u8) {
        (0..before).for_each(|_| self.tick());
        let offered = self.source.offer(MATCH).unwrap();
        assert_eq!(offered.sessions, u32::from(PLAYERS));
        self.target.reserve(offered).unwrap();
        let mut effects = Effects::default();
        self.source.announce(MATCH, &target(), Epoch(2), &mut effects);
        self.take(effects, true);
        let mut effects = Effects::default();
        for seat in 0..seated {
            let heard = self.told[usize::from(seat)].events.keys().last().copied();
            let heard = heard.unwrap_or_default().saturating_sub(2);
            self.target.attach(TARGET_LINK, &attach(seat, 2, heard), 5, &mut effects);
        }
        self.take(effects, false);
        self.both = true;
        for _ in 0..warm {
            self.tick();
            self.carry();
        }
        self.source.close_log(MATCH);
        self.tick();
        self.carry();
        (0..late).for_each(|_| self.tick());
        self.target_tick();
        assert!(matches!(self.arrived.last(), Some(MoveNews::Ready { .. })), "{:?}", self.arrived);
        let mut effects = Effects::default();
        self.target.own(MATCH, Epoch(2), &mut effects).unwrap();
        self.take(effects, false);
        self.owner_is_target = true;
        let mut effects = Effects::default();
        self.source.let_go(MATCH, &target(), Epoch(2), &mut effects);
        self.take(effects, true);
    }

    fn files(&mut self) -> BTreeMap<ReplayId, Vec<u8>> {
        let mut files = BTreeMap::<ReplayId, Vec<u8>>::new();
        for taped in std::mem::take(&mut self.taped) {
            if let Taped::Bytes { id, offset, block } = taped {
                let file = files.entry(id).or_default();
                assert_eq!(offset, file.len() as u64);
                file.extend(block.bytes);
            }
        }
        files
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn players_of_a_moved_match_miss_no_tick_no_event_and_no_input(
        before in 4_u32..200,
        warm in 0_u32..80,
        late in 0_u32..5,
    ) {
        let mut moved = Play::new();
        moved.move_match(before, warm, late, PLAYERS);
        prop_assert_eq!(moved.attached, u32::from(PLAYERS));
        while moved.target.describe()[0].tick < before + warm + 120 {
            moved.tick();
        }
        let here = &moved.told[0].frames;
        for told in &moved.told {
            prop_assert!(told.frames.windows(2).all(|it| it[1].1 == it[0].1 + 2), "{:?}", told.frames);
            prop_assert!(told.frames.windows(2).all(|it| it[1].0 >= it[0].0), "the epoch fell");
            prop_assert!(told.frames.windows(2).all(|it| it[1].2 >= it[0].2), "an input was forgotten");
            let seqs: Vec<u32> = told.events.keys().copied().collect();
            prop_assert!(seqs.windows(2).all(|it| it[1] == it[0] + 1), "{seqs:?}");
        }
        // One tick goes by for the end of the log, and `late` until somebody owns it.
        let behind = moved.step - moved.target.describe()[0].tick;
        prop_assert_eq!(behind, (1 + late).saturating_sub(MADE_GOOD_TICKS_MAX), "ticks behind");
        prop_assert_eq!(here.first().unwrap().0, 1);
        prop_assert_eq!(here.last().unwrap().0, 2);
    }
}

#[test]
fn a_match_moves_there_and_its_replays_join() {
    let mut play = Play::new();
    play.move_match(100, 30, 1, PLAYERS);
    while !play.target.describe().first().is_none_or(|it| it.finished) {
        play.tick();
    }
    let files = play.files();
    assert_eq!(files.keys().map(|it| it.epoch.0).collect::<Vec<_>>(), [1, 2]);
    let mut end = None;
    for (id, file) in files {
        let reader = arena_replay::Reader::open(Cursor::new(file)).unwrap();
        let first = reader.header().first_tick;
        assert_eq!(first, end.unwrap_or(0), "epoch {}", id.epoch.0);
        end = Some(reader.last_tick());
        let again = arena_replay::GameMatch::new(arena_games::standard());
        let found = arena_replay::verify(reader, again, |_| ()).unwrap();
        assert!(found.is_true(), "epoch {}: {:?}", id.epoch.0, found.problems);
    }
    assert_eq!(end, Some(900));
}

#[test]
fn who_does_not_come_along_is_taken_for_lost_and_can_come_back() {
    let mut play = Play::new();
    play.move_match(50, 20, 0, 1);
    assert_eq!(play.attached, 1);
    let moved = |it: &(u64, ToGateway)| {
        it.0 == SOURCE_LINK && matches!(it.1, ToGateway::Moved { epoch: Epoch(2), .. })
    };
    assert_eq!(play.messages.iter().filter(|it| moved(it)).count(), usize::from(PLAYERS));
    (0..40).for_each(|_| play.tick());
    assert_eq!(play.target.describe()[0].players, 1, "a bot plays for who stayed away");
    let mut effects = Effects::default();
    play.target.attach(TARGET_LINK, &attach(1, 2, 0), 5, &mut effects);
    play.take(effects, false);
    assert_eq!((play.attached, play.target.describe()[0].players), (2, 2));
}

#[test]
fn a_match_that_stays_after_all_goes_on_as_if_nothing_had_been() {
    let (mut play, mut control) = (Play::new(), Play::new());
    (0..40).for_each(|_| play.tick());
    play.source.offer(MATCH).unwrap();
    assert_eq!(play.source.offer(MATCH).unwrap_err(), OfferError::Moving);
    let mut effects = Effects::default();
    play.source.announce(MATCH, &target(), Epoch(2), &mut effects);
    play.source.close_log(MATCH);
    play.source.step(2_000, &mut effects);
    assert!(matches!(effects.moves.last(), Some((_, MoveNews::Closed { tick: 40, .. }))));
    let before = play.source.describe()[0].tick;
    play.source.stay(MATCH, None, &mut effects);
    play.take(effects, true);
    assert_eq!(before, 40, "a closed log confirms nothing");
    let staying = |it: &(u64, ToGateway)| matches!(it.1, ToGateway::Staying { .. });
    assert_eq!(play.messages.iter().filter(|it| staying(it)).count(), usize::from(PLAYERS));
    (0..60).for_each(|_| play.tick());
    (0..100).for_each(|_| control.tick());
    assert_eq!(play.told[0].frames, control.told[0].frames);
}

#[test]
fn what_is_no_state_of_the_match_is_refused_and_changes_nothing() {
    let mut play = Play::new();
    (0..40).for_each(|_| play.tick());
    let offered = play.source.offer(MATCH).unwrap();
    for cut in [0, 1, offered.world.len() / 2, offered.world.len() - 1] {
        let short = Offered { world: offered.world[..cut].to_vec(), ..offered.clone() };
        assert!(matches!(play.target.reserve(short), Err(ReserveError::Import(_))), "{cut} bytes");
    }
    let lied = Offered { hash: offered.hash ^ 1, ..offered.clone() };
    assert!(matches!(play.target.reserve(lied), Err(ReserveError::Hash { .. })));
    let mut other = offered.clone();
    other.new.rules = arena_games::standard()
        .parse_rules_text(r#"{"version": 1, "match": {"time_limit_ticks": 901}}"#)
        .unwrap();
    assert!(matches!(play.target.reserve(other), Err(ReserveError::Import(_))));
    assert_eq!(play.target.load(), super::super::ShardLoad::default());
    play.target.reserve(offered.clone()).unwrap();
    assert!(matches!(play.target.reserve(offered), Err(ReserveError::Here)));
}

#[test]
fn a_target_that_took_another_course_says_so_and_never_owns() {
    let mut play = Play::new();
    (0..40).for_each(|_| play.tick());
    play.target.reserve(play.source.offer(MATCH).unwrap()).unwrap();
    play.tick();
    let Some(MoveNews::Stepped { tick, mut inputs, .. }) = play.news.pop() else { panic!() };
    inputs[0].move_x ^= 0x40;
    let mut effects = Effects::default();
    play.target.follow(MATCH, tick, vec![*inputs], &mut effects);
    play.source.close_log(MATCH);
    play.source_tick();
    play.carry();
    play.target_tick();
    assert!(matches!(play.arrived.last(), Some(MoveNews::Unequal { tick: 41, .. })));
    assert!(matches!(play.target.own(MATCH, Epoch(2), &mut effects), Err(OwnError::Incomplete)));
    play.target.forget(MATCH, &mut effects);
    assert_eq!(play.target.load(), super::super::ShardLoad::default());
}

#[test]
fn a_gap_in_the_inputs_breaks_the_move() {
    let mut play = Play::new();
    (0..40).for_each(|_| play.tick());
    play.target.reserve(play.source.offer(MATCH).unwrap()).unwrap();
    let mut effects = Effects::default();
    play.target.follow(MATCH, 42, vec![SeatInputs::default()], &mut effects);
    assert!(matches!(effects.moves[..], [(MATCH, MoveNews::Broken(_))]));
}

#[test]
fn a_match_taken_back_goes_on_two_epochs_later() {
    let mut play = Play::new();
    (0..40).for_each(|_| play.tick());
    play.source.offer(MATCH).unwrap();
    play.source.close_log(MATCH);
    play.source_tick();
    let mut effects = Effects::default();
    play.source.stay(MATCH, Some(Epoch(3)), &mut effects);
    play.take(effects, true);
    (0..20).for_each(|_| play.tick());
    let frames = &play.told[0].frames;
    assert_eq!((frames.last().unwrap().0, frames.last().unwrap().1), (3, 60));
    assert_eq!(play.files().keys().map(|it| it.epoch.0).collect::<Vec<_>>(), [1, 3]);
}

/// Moves a match for whose seat two sessions come to the target, over these links, before it is owned there; returns
/// what the target said by then.
fn moved_under(early: [(u64, Attach); 2]) -> (Play, Effects) {
    let mut play = Play::new();
    (0..40).for_each(|_| play.tick());
    play.target.reserve(play.source.offer(MATCH).unwrap()).unwrap();
    let mut effects = Effects::default();
    for (link, session) in early {
        play.target.attach(link, &session, 5, &mut effects);
    }
    play.source.close_log(MATCH);
    play.source_tick();
    play.carry();
    play.target_tick();
    play.target.own(MATCH, Epoch(2), &mut effects).unwrap();
    (play, effects)
}

#[test]
fn of_two_sessions_that_came_early_for_a_seat_the_later_has_it() {
    let session = |link| Attach { session: SessionId::from_u64(link), ..attach(0, 2, 0) };
    let (_, effects) = moved_under([9, TARGET_LINK].map(|link| (link, session(link))));
    let replaced: Vec<u64> = effects
        .messages
        .iter()
        .filter(|(_, it)| matches!(it, ToGateway::Replaced { .. }))
        .map(|(link, _)| *link)
        .collect();
    assert_eq!(replaced, [9], "{:?}", effects.messages);
}

#[test]
fn of_two_connections_of_a_session_the_later_has_the_seat_whichever_came_first() {
    let session = |connection| Attach { connection, ..attach(0, 2, 0) };
    let (mut play, mut effects) = moved_under([(TARGET_LINK, session(1)), (9, session(0))]);
    (0..4).for_each(|_| play.target.step(0, &mut effects));
    let shown: BTreeSet<u64> = effects.frames.iter().map(|(key, _, _)| key.link).collect();
    assert_eq!(shown, BTreeSet::from([TARGET_LINK]));
    let former = FlowKey { link: 9, flow: Flow(0) };
    play.target.input(former, &input(0, 60, 0), &mut effects);
    assert_eq!(effects.inputs.dropped, 0, "what is under way over the former one counts");

    let mut effects = Effects::default();
    play.target.attach(9, &Attach { flow: Flow(7), ..attach(0, 2, 0) }, 5, &mut effects);
    assert_eq!(effects.messages, [(9, ToGateway::Replaced { flow: Flow(7) })]);
}

#[test]
fn who_leaves_while_the_match_moves_has_left_it_there_too() {
    let mut play = Play::new();
    (0..40).for_each(|_| play.tick());
    play.target.reserve(play.source.offer(MATCH).unwrap()).unwrap();
    let mut effects = Effects::default();
    play.target.attach(TARGET_LINK, &attach(0, 2, 0), 5, &mut effects);
    play.source.close_log(MATCH);
    play.source_tick();
    play.target.detach(FlowKey { link: TARGET_LINK, flow: Flow(0) }, Leave::Left);
    play.carry();
    play.target_tick();
    play.target.own(MATCH, Epoch(2), &mut effects).unwrap();
    let mut effects = Effects::default();
    play.target.attach(TARGET_LINK, &attach(0, 2, 0), 5, &mut effects);
    let refused = |it: &ToGateway| matches!(it, ToGateway::Refused { why: Refusal::Left, .. });
    assert!(effects.messages.iter().any(|(_, it)| refused(it)), "{:?}", effects.messages);
}

#[test]
fn an_instance_that_ends_its_matches_says_so_to_whoever_moves_them() {
    let mut play = Play::new();
    (0..40).for_each(|_| play.tick());
    play.source.offer(MATCH).unwrap();
    let mut effects = Effects::default();
    play.source.announce(MATCH, &target(), Epoch(2), &mut effects);
    let mut effects = Effects::default();
    assert_eq!(play.source.end_all(2_000, &mut effects), 1);
    assert_eq!(effects.moves, [(MATCH, MoveNews::Over)]);
    let staying = |it: &&(u64, ToGateway)| matches!(it.1, ToGateway::Staying { .. });
    assert_eq!(effects.messages.iter().filter(staying).count(), usize::from(PLAYERS));
    assert_eq!(play.source.load().moving, 0);
}

#[test]
fn a_closed_log_takes_no_session_and_says_to_come_again() {
    let mut play = Play::new();
    (0..40).for_each(|_| play.tick());
    play.source.offer(MATCH).unwrap();
    play.source.close_log(MATCH);
    play.source_tick();
    let mut effects = Effects::default();
    play.source.attach(9, &attach(0, 1, 0), 5, &mut effects);
    let [(9, ToGateway::Refused { why: Refusal::Full, .. })] = &effects.messages[..] else {
        panic!("{:?}", effects.messages)
    };
}
