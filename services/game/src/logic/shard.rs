//! The matches of one thread: stepped together, each command applied between two ticks.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use arena_sdk::{SeatInputs, TickOutput, WorldError, WorldId, Worlds};
use arena_types::{Epoch, MatchId, PlayerId, Tick};
use arena_wire::link::{Attach, Flow, Leave, Refusal, ToGateway};
use arena_wire::play::Input;
use arena_wire::stats::v1::MatchResult;
use arena_wire::token::{RouteClaims, TokenKey};

use super::hosted::{
    ABANDONED_DRAINING_TICKS, ABANDONED_TICKS, Hosted, NewMatch, Owner, Phase, SeatRefused,
};
use super::inputs::Verdict;
use super::seats::SeatEvent;
use super::tape::{Stand, Taped, Tapes};

mod journalled;
mod moving;
mod shadowed;

use journalled::Journals;
pub use journalled::{Awaited, Entry, RestoreError, Restoring, What};
use moving::{Arriving, Leaving};
pub use moving::{MoveNews, OfferError, Offered, OwnError, PROOF_TICKS, ReserveError};
use shadowed::{Copies, is_shadowed};
pub use shadowed::{Covered, Held};

/// Ended matches remembered, so that who comes late is told that it is over: an hour of a full shard.
const OVER_MAX: usize = 8_192;

/// A session on one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// The link, numbered by this process.
    pub link: u64,
    /// The session on it.
    pub flow: Flow,
}

/// The seat of each session.
type Flows = HashMap<FlowKey, (MatchId, u8)>;

/// What a shard wants done, in order. Kept and used again from tick to tick.
#[derive(Debug, Default)]
pub struct Effects {
    /// Reliable messages to gateways.
    pub messages: Vec<(u64, ToGateway)>,
    /// Frames; a later one of a flow replaces an earlier.
    pub frames: Vec<(FlowKey, Tick, Vec<u8>)>,
    /// Results to be recorded.
    pub results: Vec<MatchResult>,
    /// What became of inputs, counted.
    pub inputs: InputFigures,
    /// What is to be done to files of replays.
    pub taped: Vec<Taped>,
    /// Replays that end before their match.
    pub replays_failed: u64,
    /// What whoever moves matches needs to know, in order.
    pub moves: Vec<(MatchId, MoveNews)>,
    /// Matches that are over and forgotten here, with the epoch they ended in.
    pub gone: Vec<(MatchId, Epoch)>,
    /// What is to be written to the matches' journals.
    pub journal: Vec<Entry>,
    /// What is told and shown of matches of which a warm copy may be kept, in order.
    pub held: Vec<Held>,
    /// Matches that have a warm copy from now on, with their epoch: their journals are of the past.
    pub covered: Vec<(MatchId, Epoch)>,
}

/// Inputs by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputFigures {
    /// Counted at their tick.
    pub on_time: u64,
    /// Counted later than their tick.
    pub late: u64,
    /// Dropped: repeated, over the rate, or without a seat.
    pub dropped: u64,
}

/// Why a match is not hosted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// The shard hosts as many as it may: choose another instance.
    #[error("all {capacity} places for matches are taken")]
    Full {
        /// Matches it may host.
        capacity: usize,
    },
    /// It is hosted already, by another epoch.
    #[error("the match is hosted in epoch {}", hosted.0)]
    OtherEpoch {
        /// The epoch it is hosted in.
        hosted: Epoch,
    },
    /// It was hosted, and is over.
    #[error("the match is over")]
    Over,
    /// The game has no room.
    #[error("place the match in the simulation")]
    World(#[from] WorldError),
}

/// What a shard holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardLoad {
    /// Matches, those that arrive and warm copies of others' included.
    pub hosted: u32,
    /// Of these, warm copies of others'.
    pub shadows: u32,
    /// Of these, matches that are not over.
    pub running: u32,
    /// Of these, matches that leave.
    pub moving: u32,
    /// Sessions attached.
    pub sessions: u32,
}

/// Many matches and the worlds of their game.
pub struct Shard {
    worlds: Box<dyn Worlds>,
    owner: Arc<Owner>,
    route_key: TokenKey,
    capacity: usize,
    now: u32,
    is_draining: bool,
    matches: BTreeMap<MatchId, Hosted<FlowKey>>,
    flows: Flows,
    over: VecDeque<MatchId>,
    batch: Batch,
    tapes: Tapes,
    leaving: BTreeMap<MatchId, Leaving>,
    arriving: BTreeMap<MatchId, Arriving>,
    /// Ticks that matches are behind, because nobody owned them while they changed their owner.
    behind: BTreeMap<MatchId, u32>,
    journals: Journals,
    copies: Copies,
}

#[derive(Default)]
struct Batch {
    ids: Vec<MatchId>,
    worlds: Vec<WorldId>,
    inputs: Vec<SeatInputs>,
    outputs: Vec<TickOutput>,
}

impl Shard {
    /// Starts without matches; it hosts up to `capacity`.
    #[must_use]
    pub fn new(
        worlds: Box<dyn Worlds>,
        owner: Arc<Owner>,
        route_key: TokenKey,
        capacity: usize,
    ) -> Self {
        Self {
            worlds,
            owner,
            route_key,
            capacity,
            now: 0,
            is_draining: false,
            matches: BTreeMap::new(),
            flows: HashMap::new(),
            over: VecDeque::new(),
            batch: Batch::default(),
            tapes: Tapes::off(),
            leaving: BTreeMap::new(),
            arriving: BTreeMap::new(),
            behind: BTreeMap::new(),
            journals: Journals::default(),
            copies: Copies::new(),
        }
    }

    /// Returns what steps the matches, and why a device that did was given up.
    #[must_use]
    pub fn backend(&self) -> (&'static str, Option<&str>) {
        (self.worlds.backend(), self.worlds.failure())
    }

    /// Records matches that begin from now on.
    pub fn record(&mut self, tapes: Tapes) {
        self.tapes = tapes;
    }

    /// Hosts a match. The same match again changes nothing.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(&mut self, new: NewMatch, now_ms: u64) -> Result<(), CreateError> {
        if let Some(hosted) = self.matches.get(&new.id) {
            let hosted = hosted.epoch();
            return if hosted == new.epoch {
                Ok(())
            } else {
                Err(CreateError::OtherEpoch { hosted })
            };
        }
        if self.over.contains(&new.id) {
            return Err(CreateError::Over);
        }
        if self.matches.len() + self.arriving.len() >= self.capacity {
            return Err(CreateError::Full { capacity: self.capacity });
        }
        let world = self.worlds.create(new.seed, &new.rules)?;
        let hosted = Hosted::new(new, self.owner.clone(), world, self.now, now_ms);
        self.matches.insert(hosted.id(), hosted);
        Ok(())
    }

    /// Gives a session its seat, or tells it why not.
    pub fn attach(&mut self, link: u64, attach: &Attach, now_ms: u64, effects: &mut Effects) {
        let flow = attach.flow;
        match self.try_attach(link, attach, now_ms) {
            Ok(None) => {} // it is told once its match is here
            Ok(Some(Attached { epoch, start })) => {
                self.tell_replaced(attach.match_id, effects);
                self.tell_attached(link, (flow, epoch, start), attach.match_id, effects);
                if let Some((to, epoch)) = self.announced(attach.match_id) {
                    let moving = ToGateway::Moving { flow, owner: to.to_string(), epoch };
                    effects.messages.push((link, moving));
                }
            }
            Err(NoSeat::Refused(why, detail)) => {
                effects.messages.push((link, ToGateway::Refused { flow, why, detail }));
            }
            Err(NoSeat::Replaced) => {
                effects.messages.push((link, ToGateway::Replaced { flow }));
            }
        }
    }

    /// Tells a session of its seat; what it is told stands in the warm copy, if there is one.
    fn tell_attached(
        &self,
        link: u64,
        (flow, epoch, start): (Flow, Epoch, Vec<u8>),
        id: MatchId,
        effects: &mut Effects,
    ) {
        let message = (link, ToGateway::Attached { flow, epoch, start });
        match self.matches.get(&id).filter(|it| is_shadowed(it)) {
            Some(hosted) => {
                let (tick, messages) = (hosted.tick(), vec![message]);
                effects.held.push(Held { id, tick, messages, frames: Vec::new() });
            }
            None => effects.messages.push(message),
        }
    }

    fn try_attach(
        &mut self,
        link: u64,
        attach: &Attach,
        now_ms: u64,
    ) -> Result<Option<Attached>, NoSeat> {
        let key = FlowKey { link, flow: attach.flow };
        let claims = RouteClaims::verify(&attach.route_token, &self.route_key, now_ms)
            .map_err(|error| NoSeat::Refused(Refusal::BadToken, error.to_string()))?;
        let claimed: (MatchId, PlayerId, u8) = (claims.match_id, claims.player, claims.seat);
        if claimed != (attach.match_id, attach.player, attach.seat) {
            let detail = "the token is for another seat".to_owned();
            return Err(NoSeat::Refused(Refusal::BadToken, detail));
        }
        if self.attach_early(key, attach) {
            return Ok(None);
        }
        if self.is_closed(attach.match_id) {
            let detail = "the match is changing its owner".to_owned();
            return Err(NoSeat::Refused(Refusal::Full, detail));
        }
        if self.journals.awaits(attach.match_id) {
            let detail = "the match is about to go on here".to_owned();
            return Err(NoSeat::Refused(Refusal::Full, detail));
        }
        let Some(hosted) = self.matches.get_mut(&attach.match_id) else {
            return Err(if self.over.contains(&attach.match_id) {
                NoSeat::Refused(Refusal::Over, "the match is over".to_owned())
            } else {
                let detail = format!("match {} is not here", attach.match_id);
                NoSeat::Refused(Refusal::UnknownMatch, detail)
            });
        };
        if attach.epoch > hosted.epoch() {
            let detail = format!("hosted here in epoch {}", hosted.epoch());
            return Err(NoSeat::Refused(Refusal::OldEpoch, detail));
        }
        let held = (attach.ack_tick, attach.ack_event);
        let worlds: &mut dyn Worlds = &mut *self.worlds;
        let seat = (attach.player, attach.seat);
        let session = (attach.session, attach.connection, key);
        hosted.attach(session, seat, held, (self.now, worlds)).map_err(no_seat)?;
        let (epoch, start) = (hosted.epoch(), hosted.start(attach.seat));
        self.flows.insert(key, (attach.match_id, attach.seat));
        Ok(Some(Attached { epoch, start }))
    }

    /// Tells the flows whose seat another flow has now.
    fn tell_replaced(&mut self, id: MatchId, effects: &mut Effects) {
        let replaced = self.matches.get_mut(&id).map(Hosted::take_replaced).unwrap_or_default();
        for old in replaced {
            self.flows.remove(&old);
            effects.messages.push((old.link, ToGateway::Replaced { flow: old.flow }));
        }
    }

    /// Takes an input.
    pub fn input(&mut self, key: FlowKey, input: &Input, effects: &mut Effects) {
        let is_elsewhere = self.flows.get(&key).is_some_and(|(id, _)| self.is_closed(*id));
        if is_elsewhere || self.input_early(key, input) {
            return; // its gateway sends it to both owners
        }
        let counted =
            self.hosted_of(key).and_then(|(it, seat, worlds)| it.input((seat, key), input, worlds));
        match counted {
            Some(Verdict::OnTime | Verdict::Early) => effects.inputs.on_time += 1,
            Some(Verdict::Late) => effects.inputs.late += 1,
            Some(Verdict::Repeated | Verdict::TooFast) | None => effects.inputs.dropped += 1,
        }
    }

    /// Takes the word of a session on what it holds.
    pub fn ack(&mut self, key: FlowKey, tick: Tick, event: u32) {
        if let Some((hosted, seat, worlds)) = self.hosted_of(key) {
            hosted.ack((seat, key), (tick, event), worlds);
        }
    }

    /// Ends a session's stay.
    pub fn detach(&mut self, key: FlowKey, why: Leave) {
        let event = match why {
            Leave::Left => SeatEvent::Leave,
            Leave::Lost | Leave::Moved => SeatEvent::Lose,
        };
        let now = self.now;
        if let Some((hosted, seat, _)) = self.hosted_of(key) {
            hosted.detach(seat, key, event, now);
        }
        self.detach_early(key, why);
        self.flows.remove(&key);
    }

    /// Ends the stay of all sessions of a link that broke.
    pub fn link_lost(&mut self, link: u64) {
        let lost: Vec<FlowKey> = self.flows.keys().filter(|it| it.link == link).copied().collect();
        for key in lost {
            self.detach(key, Leave::Lost);
        }
    }

    /// Notes that a result is recorded for good.
    pub fn recorded(&mut self, id: MatchId) {
        if let Some(hosted) = self.matches.get_mut(&id) {
            hosted.recorded();
        }
    }

    /// Says whether the instance drains: matches that nobody plays then end sooner.
    pub fn drain(&mut self, is_draining: bool) {
        self.is_draining = is_draining;
    }

    /// Ends every match as it stands, and returns how many; one that has not begun has no result.
    pub fn end_all(&mut self, now_ms: u64, effects: &mut Effects) -> u32 {
        let mut ended = 0;
        let Self { matches, leaving, flows, copies, .. } = self;
        for (id, hosted) in matches {
            let phase = hosted.phase();
            let is_elsewhere = leaving.get(id).is_some_and(Leaving::is_closed);
            if is_elsewhere || !matches!(phase, Phase::Created(_) | Phase::Running) {
                continue;
            }
            let Ok(outcome) = self.worlds.outcome(hosted.world()) else { continue };
            hosted.finish(&outcome, self.now);
            moving::leaves_no_more(leaving, flows, *id, effects);
            moving::leaves_with(copies.remove(id).is_none(), *id, effects);
            if phase == Phase::Running {
                effects.results.push(hosted.result(&outcome, now_ms));
                let stand = InWorlds { worlds: &*self.worlds, id: hosted.world() };
                let outcome = hosted.recorded_outcome(&outcome, "drained", now_ms);
                self.tapes.finish(hosted.id(), outcome, stand.hash());
            } else {
                hosted.recorded();
            }
            ended += 1;
        }
        self.hand_over(effects);
        ended
    }

    /// Advances every running match by one tick, and those that have just changed their owner by what they missed for
    /// it; says what follows.
    pub fn step(&mut self, now_ms: u64, effects: &mut Effects) {
        self.now = self.now.wrapping_add(1);
        self.close_logs(effects);
        self.catch_up(effects);
        self.tell_sessions(&|_, hosted| hosted.is_about_to_go_on(), effects);
        while !self.behind.is_empty() {
            self.advance(now_ms, effects);
            self.behind.retain(|_, ticks| {
                *ticks -= 1;
                *ticks > 0
            });
        }
        self.advance(now_ms, effects);
        self.hand_over(effects);
        self.clear_away(effects);
    }

    /// Advances matches by one tick: those that are behind, or all if none is.
    fn advance(&mut self, now_ms: u64, effects: &mut Effects) {
        self.gather(now_ms);
        let Batch { worlds, inputs, outputs, .. } = &mut self.batch;
        outputs.resize(worlds.len(), TickOutput::default());
        // Every world lives and stands there once: `gather` takes them from the map of matches.
        let stepped = self.worlds.step(worlds, inputs, outputs);
        assert!(stepped.is_ok(), "the game refused a batch of living matches: {stepped:?}");
        self.tell(now_ms, effects);
        self.tell_leaving(effects);
        self.tell_copies(effects);
        self.write_down(effects);
    }

    fn hand_over(&mut self, effects: &mut Effects) {
        let (taped, failed) = self.tapes.take();
        effects.taped.extend(taped);
        effects.replays_failed += failed;
    }

    /// Describes all matches, by id.
    #[must_use]
    pub fn describe(&self) -> Vec<arena_wire::game::v1::Match> {
        let describe = |(id, it): (&MatchId, &Hosted<FlowKey>)| arena_wire::game::v1::Match {
            moving: self.leaving.contains_key(id),
            ..it.describe()
        };
        self.matches.iter().map(describe).collect()
    }

    /// Returns what is held.
    #[must_use]
    pub fn load(&self) -> ShardLoad {
        let open = |it: &&Hosted<FlowKey>| matches!(it.phase(), Phase::Created(_) | Phase::Running);
        ShardLoad {
            hosted: (self.matches.len() + self.arriving.len()) as u32,
            shadows: self.arriving.values().filter(|it| it.copy.is_some()).count() as u32,
            running: self.matches.values().filter(open).count() as u32,
            moving: self.leaving.len() as u32,
            sessions: self.flows.len() as u32,
        }
    }

    fn gather(&mut self, now_ms: u64) {
        let Self { matches, batch, worlds, now, leaving, behind, .. } = self;
        batch.ids.clear();
        batch.worlds.clear();
        batch.inputs.clear();
        for (id, hosted) in matches.iter_mut() {
            let is_elsewhere = leaving.get(id).is_some_and(Leaving::is_closed);
            if is_elsewhere || !is_due(behind, *id) || !hosted.begin_tick(*now, now_ms) {
                continue;
            }
            batch.ids.push(*id);
            batch.worlds.push(hosted.world());
            batch.inputs.push(hosted.inputs(&**worlds));
        }
    }

    fn tell(&mut self, now_ms: u64, effects: &mut Effects) {
        let Self { matches, batch, worlds, now, is_draining, tapes, .. } = self;
        let patience_ticks = if *is_draining { ABANDONED_DRAINING_TICKS } else { ABANDONED_TICKS };
        for ((id, output), inputs) in batch.ids.iter().zip(&batch.outputs).zip(&batch.inputs) {
            let Some(hosted) = matches.get_mut(id) else { continue };
            let stand = InWorlds { worlds: &**worlds, id: hosted.world() };
            if output.tick == 1 {
                tapes.begin(*id, || hosted.header(), &stand);
            }
            for change in hosted.take_seat_changes() {
                tapes.seated(*id, &change);
            }
            tapes.stepped(*id, inputs, &stand);
            if !hosted.stepped(output, patience_ticks) {
                continue;
            }
            let Ok(outcome) = worlds.outcome(hosted.world()) else { continue };
            hosted.finish(&outcome, *now);
            effects.results.push(hosted.result(&outcome, now_ms));
            let stand = InWorlds { worlds: &**worlds, id: hosted.world() };
            tapes.finish(*id, hosted.recorded_outcome(&outcome, "abandoned", now_ms), stand.hash());
        }
        let behind = std::mem::take(&mut self.behind);
        self.tell_sessions(&|id, _| is_due(&behind, id), effects);
        self.behind = behind;
    }

    /// Tells the sessions of these matches what is new, and shows them their frame.
    fn tell_sessions(
        &mut self,
        which: &dyn Fn(MatchId, &Hosted<FlowKey>) -> bool,
        effects: &mut Effects,
    ) {
        let Self { matches, worlds, now, flows, leaving, .. } = self;
        for (id, hosted) in matches {
            if leaving.get(id).is_some_and(Leaving::is_closed) || !which(*id, hosted) {
                continue;
            }
            for old in hosted.take_replaced() {
                flows.remove(&old);
                effects.messages.push((old.link, ToGateway::Replaced { flow: old.flow }));
            }
            let (mut own_messages, mut own_frames) = (Vec::new(), Vec::new());
            let is_shadowed = is_shadowed(hosted);
            let (messages, frames) = if is_shadowed {
                (&mut own_messages, &mut own_frames)
            } else {
                (&mut effects.messages, &mut effects.frames)
            };
            hosted.news(|key: FlowKey, seq, event| {
                let event = ToGateway::Event { flow: key.flow, seq, event: event.to_vec() };
                messages.push((key.link, event));
            });
            hosted.dismiss(*now, |key| {
                flows.remove(&key);
                let ended = ToGateway::Ended { flow: key.flow, match_id: *id };
                messages.push((key.link, ended));
            });
            if hosted.has_frame(*now) {
                let shown = hosted.frames(&mut **worlds, |key, tick, frame| {
                    frames.push((key, tick, frame));
                });
                debug_assert!(shown.is_ok(), "the world of a hosted match lives: {shown:?}");
            }
            if !own_messages.is_empty() || !own_frames.is_empty() {
                let (id, tick) = (*id, hosted.tick());
                effects.held.push(Held { id, tick, messages: own_messages, frames: own_frames });
            }
        }
    }

    fn clear_away(&mut self, effects: &mut Effects) {
        let Self { matches, worlds, flows, over, now, .. } = self;
        matches.retain(|id, hosted| {
            if !hosted.is_gone(*now) {
                return true;
            }
            flows.retain(|_, (of, _)| of != id);
            let freed = worlds.free(hosted.world());
            debug_assert!(freed.is_ok(), "the world of a hosted match lives");
            over.push_back(*id);
            effects.gone.push((*id, hosted.epoch()));
            false
        });
        while over.len() > OVER_MAX {
            over.pop_front();
        }
    }

    fn hosted_of(&mut self, key: FlowKey) -> Option<(&mut Hosted<FlowKey>, u8, &mut dyn Worlds)> {
        let (id, seat) = *self.flows.get(&key)?;
        Some((self.matches.get_mut(&id)?, seat, &mut *self.worlds))
    }
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.worlds.backend();
        f.debug_struct("Shard")
            .field("backend", &name)
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}

/// Whether a match is to be advanced now.
fn is_due(behind: &BTreeMap<MatchId, u32>, id: MatchId) -> bool {
    behind.is_empty() || behind.contains_key(&id)
}

/// A match as its worlds have it.
struct InWorlds<'a> {
    worlds: &'a dyn Worlds,
    id: WorldId,
}

impl Stand for InWorlds<'_> {
    fn hash(&self) -> u64 {
        self.worlds.state_hash(self.id).expect("a match that was stepped lives").0
    }

    fn state(&self) -> Vec<u8> {
        self.worlds.export(self.id).expect("a match that was stepped lives")
    }
}

/// Why a session is not seated.
enum NoSeat {
    /// It may not be, or not now.
    Refused(Refusal, String),
    /// It is, over a later connection.
    Replaced,
}

fn no_seat(refused: SeatRefused) -> NoSeat {
    match refused {
        SeatRefused::NotYours => {
            NoSeat::Refused(Refusal::BadToken, "not this player's seat".to_owned())
        }
        SeatRefused::Left => NoSeat::Refused(Refusal::Left, "the player left the match".to_owned()),
        SeatRefused::Replaced => NoSeat::Replaced,
    }
}

struct Attached {
    epoch: Epoch,
    start: Vec<u8>,
}

#[cfg(test)]
#[path = "shard/tests.rs"]
mod tests;
