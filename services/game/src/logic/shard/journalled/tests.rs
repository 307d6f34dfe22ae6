//! A match whose owner dies at any tick goes on in another shard from what was written down, and its player cannot
//! tell but by the pause.

use arena_types::{PlayerId, ReleaseId, SessionId, Tick};
use arena_wire::game::v1::journal_entry::Entry as Wire;
use arena_wire::game::v1::{Confirmed, JournalEntry, Offer, Snapshot, Ticks};
use arena_wire::link::{Attach, Flow, ToGateway};
use arena_wire::play::{Controls, FrameHead, Input, ServerMessage};
use arena_wire::token::{RouteClaims, TokenKey};

use super::*;
use crate::logic::hosted::{NewMatch, Owner, Player};
use crate::logic::recovery::recover;

pub(in super::super) const MATCH: MatchId = MatchId::from_u64(7);
const PLAYER: PlayerId = PlayerId::from_u64(100);
const LINK: u64 = 1;
/// The tick after which the match is over by its rules.
pub(in super::super) const LENGTH: u32 = 300;

fn key() -> TokenKey {
    TokenKey::new(&[9; 32])
}

pub(in super::super) fn shard(instance: &str) -> Shard {
    let owner = Owner { instance: instance.parse().unwrap(), release: ReleaseId(1) };
    Shard::new(arena_games::standard().worlds(), owner.into(), key(), 2)
}

pub(in super::super) fn new_match() -> NewMatch {
    let rules = format!(r#"{{"version": 1, "match": {{"time_limit_ticks": {LENGTH}}}}}"#);
    NewMatch {
        id: MATCH,
        epoch: Epoch(1),
        seed: 3,
        mode: "arena".to_owned(),
        rules: arena_games::standard().parse_rules_text(&rules).unwrap(),
        players: vec![Player { id: PLAYER, name: "Ann".to_owned(), seat: 0 }],
        filled_seats: 6,
        failover: FailoverPolicy::Journal,
    }
}

pub(in super::super) fn hash(shard: &Shard) -> Option<(u32, u64)> {
    let hosted = shard.matches.get(&MATCH)?;
    let stand = InWorlds { worlds: &*shard.worlds, id: hosted.world() };
    Some((hosted.tick(), stand.hash()))
}

/// One player, with what it sent and was told.
#[derive(Default)]
pub(in super::super) struct Client {
    sent: Vec<Input>,
    frames: Vec<FrameHead>,
    events: Vec<(u32, Vec<u8>)>,
    started_from: u32,
}

impl Client {
    pub(in super::super) fn attach(&self, shard: &mut Shard, epoch: u32, effects: &mut Effects) {
        let claims = RouteClaims { match_id: MATCH, player: PLAYER, seat: 0, expires_ms: u64::MAX };
        let attach = Attach {
            flow: Flow(epoch),
            session: SessionId::from_u64(1),
            match_id: MATCH,
            epoch: Epoch(epoch),
            player: PLAYER,
            seat: 0,
            route_token: claims.sign(&key()),
            ack_tick: self.frames.last().map_or(Tick(0), |it| it.tick),
            ack_event: self.events.last().map_or(0, |it| it.0),
            connection: 0,
        };
        shard.attach(LINK, &attach, 5, effects);
    }

    pub(in super::super) fn send(&mut self, shard: &mut Shard, epoch: u32, effects: &mut Effects) {
        let seq = self.sent.len() as u32 + 1;
        let held = self.frames.last().map_or(Tick(0), |it| it.tick);
        let controls = Controls {
            move_x: 100,
            move_y: 60,
            aim: (seq * 3) as u8,
            buttons: u8::from(seq % 7 < 3),
        };
        let ack_event = self.events.last().map_or(0, |it| it.0);
        let input = Input { seq, tick: Tick(held.0 + 3), controls, ack_tick: held, ack_event };
        self.sent.push(input);
        shard.input(FlowKey { link: LINK, flow: Flow(epoch) }, &input, effects);
    }

    /// Sends again what the owner does not have.
    pub(in super::super) fn send_again(
        &self,
        shard: &mut Shard,
        epoch: u32,
        effects: &mut Effects,
    ) {
        for input in self.sent.iter().filter(|it| it.seq > self.started_from) {
            shard.input(FlowKey { link: LINK, flow: Flow(epoch) }, input, effects);
        }
    }

    pub(in super::super) fn hear(&mut self, effects: &mut Effects) {
        for held in effects.held.drain(..) {
            effects.messages.extend(held.messages);
            effects.frames.extend(held.frames);
        }
        for (_, message) in effects.messages.drain(..) {
            match message {
                ToGateway::Attached { start, .. } => {
                    let Ok(ServerMessage::Start(start)) = ServerMessage::decode(&start) else {
                        panic!("a start")
                    };
                    self.started_from = start.input_seq;
                }
                ToGateway::Event { seq, event, .. } => {
                    let last = self.events.last().map_or(0, |it| it.0);
                    assert_eq!(seq, last + 1, "events are told once, in order");
                    self.events.push((seq, event));
                }
                ToGateway::Refused { detail, .. } => panic!("{detail}"),
                _ => {}
            }
        }
        for (_, tick, frame) in effects.frames.drain(..) {
            let head = FrameHead::peek(&frame).unwrap();
            if let Some(last) = self.frames.last() {
                assert!(head.tick > last.tick, "{tick} after {}", last.tick);
                assert!(head.epoch >= last.epoch && head.input_seq <= self.sent.len() as u32);
            }
            self.frames.push(head);
        }
    }
}

/// What the hot state would have, and the snapshot's match, which is not encoded here.
#[derive(Default)]
pub(in super::super) struct Written {
    journal: Vec<JournalEntry>,
    offered: Option<Offered>,
}

impl Written {
    pub(in super::super) fn take(&mut self, effects: &mut Effects, shard: &mut Shard) {
        for Entry { id, epoch, tick, what } in effects.journal.drain(..) {
            let entry = match what {
                What::Snapshot(offered, carried) => {
                    self.offered = Some(*offered);
                    let offer = Some(Offer { tick, ..Offer::default() });
                    Wire::Snapshot(Snapshot { offer, carried: Some(carried) })
                }
                What::Confirmed(inputs, carried) => {
                    let first = tick + 1 - inputs.len() as u32;
                    let inputs = inputs.iter().flatten().map(|it| it.pack()).collect();
                    let ticks = Some(Ticks { first, inputs });
                    Wire::Confirmed(Confirmed { ticks, carried: Some(carried) })
                }
            };
            self.journal.push(JournalEntry { entry: Some(entry) });
            shard.journalled(id, epoch, tick);
        }
    }

    fn restoring(&self) -> Option<Restoring> {
        let recovered = recover(self.journal.clone())?;
        let offered = self.offered.clone().filter(|it| it.tick == recovered.offer.tick)?;
        Some(Restoring { offered, inputs: recovered.inputs, carried: recovered.carried })
    }
}

/// Plays until the owner dies after so many ticks, goes on elsewhere, and to the end; returns the ticks lost.
fn dies_after(ticks: u32) -> u32 {
    let (mut source, mut client) = (shard("game-r1-0"), Client::default());
    let (mut effects, mut written, mut course) =
        (Effects::default(), Written::default(), Vec::new());
    source.create(new_match(), 1_000).unwrap();
    client.attach(&mut source, 1, &mut effects);
    for _ in 0..ticks {
        client.send(&mut source, 1, &mut effects);
        source.step(2_000, &mut effects);
        course.extend(hash(&source));
        client.hear(&mut effects);
        written.take(&mut effects, &mut source);
    }
    let last = hash(&source).expect("it is hosted").0;
    effects.results.clear();

    let mut target = shard("game-r1-1");
    let restoring = written.restoring().expect("a snapshot");
    let tick = target.restore(restoring, Epoch(2), 3_000, &mut effects).unwrap();
    assert_eq!(hash(&target), course.iter().find(|it| it.0 == tick).copied(), "the same course");
    plays_to_the_end(&mut target, (&mut client, &mut written), &mut effects, ticks);
    last - tick
}

/// Plays a match, whose owner died after so many ticks, to its end at the next one.
pub(in super::super) fn plays_to_the_end(
    target: &mut Shard,
    (client, written): (&mut Client, &mut Written),
    effects: &mut Effects,
    ticks: u32,
) {
    client.attach(target, 2, effects);
    client.hear(effects);
    client.send_again(target, 2, effects);
    for _ in 0..LENGTH + 100 {
        if effects.results.is_empty() {
            client.send(target, 2, effects);
        }
        target.step(4_000, effects);
        client.hear(effects);
        written.take(effects, target);
    }
    assert_eq!(effects.results.len(), 1, "dies after {ticks}");
    assert_eq!((effects.results[0].epoch, effects.results[0].ticks), (2, LENGTH));
    let finished = client.frames.last().expect("frames");
    assert!(finished.finished && (finished.epoch == Epoch(2) || ticks >= LENGTH), "{finished:?}");
    let ends = client.events.iter().filter(|(_, it)| is_end(it)).count();
    assert_eq!(ends, 1, "dies after {ticks}");
    if ticks < LENGTH / 2 {
        assert!(finished.input_seq > ticks, "all that was sent before has counted");
        assert_eq!(effects.inputs.dropped, 0, "dies after {ticks}");
    }
}

fn is_end(event: &[u8]) -> bool {
    use arena_wire::play::EventKind;
    matches!(ServerMessage::decode(event), Ok(ServerMessage::Event(it)) if matches!(it.kind, EventKind::End { .. }))
}

#[test]
fn a_match_goes_on_from_whatever_tick_its_owner_died_at() {
    let lost: Vec<u32> =
        (1..=LENGTH).step_by(7).chain([59, 60, 61, 62, LENGTH]).map(dies_after).collect();
    assert!(lost.iter().all(|it| *it < ENTRY_TICKS), "{lost:?}");
}

#[test]
fn a_match_is_gone_on_with_where_there_is_room_and_once() {
    let (mut source, mut effects, mut written) =
        (shard("game-r1-0"), Effects::default(), Written::default());
    source.create(new_match(), 1_000).unwrap();
    Client::default().attach(&mut source, 1, &mut effects);
    source.step(2_000, &mut effects);
    written.take(&mut effects, &mut source);
    let restoring = || written.restoring().unwrap();
    let again = source.restore(restoring(), Epoch(2), 1, &mut effects);
    assert!(matches!(again, Err(RestoreError::Reserve(ReserveError::Here))));
    let mut other = shard("game-r1-1");
    let mut damaged = restoring();
    damaged.offered.hash ^= 1;
    let refused = other.restore(damaged, Epoch(2), 1, &mut effects);
    assert!(matches!(refused, Err(RestoreError::Reserve(ReserveError::Hash { .. }))));
    other.capacity = 0;
    let refused = other.restore(restoring(), Epoch(2), 1, &mut effects);
    assert!(matches!(refused, Err(RestoreError::Reserve(ReserveError::Full { .. }))));
    other.capacity = 1;
    other.reserve(restoring().offered).unwrap(); // it was on its way here when its owner died
    assert_eq!(other.restore(restoring(), Epoch(2), 1, &mut effects).unwrap(), 1);
}

#[test]
fn a_match_that_goes_on_waits_for_the_first_of_its_players_a_moment() {
    let (mut source, mut effects, mut written) =
        (shard("game-r1-0"), Effects::default(), Written::default());
    source.create(new_match(), 1_000).unwrap();
    Client::default().attach(&mut source, 1, &mut effects);
    source.step(2_000, &mut effects);
    written.take(&mut effects, &mut source);
    for waits in [0, 1, PLAYERLESS_TICKS - 1, PLAYERLESS_TICKS] {
        let mut target = shard("game-r1-1");
        let restoring = written.restoring().unwrap();
        let known = target.restore(restoring, Epoch(2), 1, &mut effects).unwrap();
        let tick = |shard: &Shard| hash(shard).expect("it is hosted").0;
        for _ in 0..waits {
            target.step(3_000, &mut effects);
            assert_eq!(tick(&target), known, "nobody is there after {waits} ticks");
        }
        if waits < PLAYERLESS_TICKS {
            Client::default().attach(&mut target, 2, &mut effects);
        }
        target.step(4_000, &mut effects);
        assert_eq!(tick(&target), known + 1, "after {waits} ticks");
    }
}
