//! Matches on their way: those that leave this shard, and those that arrive. docs/migration.md says who may
//! do what when; here is what a tick thread does about it.

use std::collections::{BTreeMap, VecDeque};

use arena_sdk::{ImportError, SeatInputs, StateHash, TickOutput, WorldError, WorldId, Worlds};
use arena_types::{Epoch, InstanceId, MatchId};
use arena_wire::game::v1::Carried;
use arena_wire::link::{Attach, Flow, Leave, Refusal, ToGateway};
use arena_wire::play::Input;

use super::journalled::Going;
use super::{Effects, FlowKey, Flows, InWorlds, NoSeat, Shard};
use crate::logic::hosted::{CarriedError, Hosted, NewMatch, Phase};
use crate::logic::tape::Stand as _;

/// Both sides tell their hash at every tick that this divides.
pub const PROOF_TICKS: u32 = 8;
/// Ticks of an arriving match that wait to be stepped, at most: a minute.
const BEHIND_MAX: usize = 3_600;
/// Ticks of one arriving match stepped between two ticks of the others: a second is made good in eight ticks.
const CATCH_UP_TICKS: usize = 8;
/// Ticks that are made good at once after a change of owner: those for which inputs are there, since players send them
/// this far ahead.
const MADE_GOOD_TICKS_MAX: u32 = 3;
/// Inputs that wait for an arriving match: its seats at full rate for seconds. The oldest give way.
const EARLY_INPUTS_MAX: usize = 4_096;

/// What is told to whoever takes a match away, or brings it.
#[derive(Clone, Debug, PartialEq)]
pub enum MoveNews {
    /// A leaving match was stepped: the inputs that made `tick`, and the hash if it is one for a proof.
    Stepped {
        /// The tick reached.
        tick: u32,
        /// What every seat did.
        inputs: Box<SeatInputs>,
        /// The hash of the state.
        hash: Option<u64>,
    },
    /// A leaving match's log is closed: nothing is confirmed after `tick` until it is opened again.
    Closed {
        /// The last tick.
        tick: u32,
        /// The hash of its state.
        hash: u64,
        /// All else that the next owner needs.
        carried: Box<Carried>,
    },
    /// A match of which a copy is kept elsewhere was stepped.
    Confirmed {
        /// The tick reached.
        tick: u32,
        /// What every seat did.
        inputs: Box<SeatInputs>,
        /// All else that changed.
        carried: Box<Carried>,
        /// The hash of the state.
        hash: Option<u64>,
    },
    /// A leaving match ended before it could leave, or one that is copied is not here any more.
    Over,
    /// An arriving match was stepped as far as its inputs go, or over a tick for a proof.
    Level {
        /// The tick reached.
        tick: u32,
        /// The hash of the state.
        hash: u64,
        /// Sessions attached.
        sessions: u32,
    },
    /// An arriving match stands as its source closed it, and can be owned.
    Ready {
        /// The source's last tick.
        tick: u32,
    },
    /// An arriving match took another course than at its source.
    Unequal {
        /// The tick at which it was seen.
        tick: u32,
        /// The hash here.
        hash: u64,
        /// The state here.
        world: Vec<u8>,
    },
    /// An arriving match cannot go on.
    Broken(String),
}

/// A match as its next owner needs it, all but what follows.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Who it is, by which rules.
    pub new: NewMatch,
    /// The ticks stepped.
    pub tick: u32,
    /// Its state after them.
    pub world: Vec<u8>,
    /// The hash of that.
    pub hash: u64,
    /// Sessions attached to it.
    pub sessions: u32,
}

/// Why a match does not begin to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// It is not hosted here.
    #[error("the match is not here")]
    NotHere,
    /// It has not begun, or is over.
    #[error("the match does not run: it waits for its players, or is over")]
    NotRunning,
    /// It leaves already.
    #[error("the match is being moved already")]
    Moving,
}

/// Why a match cannot arrive.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// No room.
    #[error("all {capacity} places for matches are taken")]
    Full {
        /// Matches the shard may host.
        capacity: usize,
    },
    /// It is here, or arrives already.
    #[error("the match is here already")]
    Here,
    /// The state is none of this game and these rules.
    #[error("cannot take the match's state")]
    Import(#[from] ImportError),
    /// The state is not what its hash says: it was damaged on the way.
    #[error("the state has the hash {found}, not {expected}")]
    Hash {
        /// What was offered.
        expected: StateHash,
        /// What arrived.
        found: StateHash,
    },
    /// The game fails.
    #[error(transparent)]
    World(#[from] WorldError),
}

/// Why an arriving match is not owned.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// It does not arrive here, or is not complete.
    #[error("the match has not arrived here completely")]
    Incomplete,
    /// What was carried with it is no match.
    #[error(transparent)]
    Carried(#[from] CarriedError),
}

/// A match that leaves.
#[derive(Debug)]
pub(super) struct Leaving {
    announced: Option<(InstanceId, Epoch)>,
    log: Log,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Open,
    /// To be closed between two ticks.
    Closing,
    Closed,
}

/// A match that arrives.
#[derive(Debug)]
pub(super) struct Arriving {
    new: NewMatch,
    world: WorldId,
    tick: u32,
    told_tick: u32,
    ahead: VecDeque<SeatInputs>,
    /// In the order in which they are seated: of two for one seat the later has it.
    sessions: Vec<(FlowKey, Attach)>,
    early: VecDeque<(FlowKey, Input)>,
    /// Seats whose players leave for good.
    left: Vec<u8>,
    closing: Option<Closing>,
    is_ready: bool,
    /// What a warm copy knows beside its world, after the last tick that came; `None` for a match on its way.
    pub(super) copy: Option<Carried>,
    /// Whether it was over by its rules after the last tick stepped.
    is_finished: bool,
}

#[derive(Debug)]
struct Closing {
    tick: u32,
    hash: u64,
    carried: Carried,
    /// The shard's tick at which it came.
    since: u32,
}

impl Shard {
    /// Returns a running match as it stands, and tells all that happens to it from here on.
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn offer(&mut self, id: MatchId) -> Result<Offered, OfferError> {
        let offered = self.described(id)?;
        self.leaving.insert(id, Leaving { announced: None, log: Log::Open });
        Ok(offered)
    }

    /// Returns a running match, which does not leave, as it stands.
    pub(super) fn described(&self, id: MatchId) -> Result<Offered, OfferError> {
        let hosted = self.matches.get(&id).ok_or(OfferError::NotHere)?;
        if hosted.phase() != Phase::Running {
            return Err(OfferError::NotRunning);
        }
        if self.leaving.contains_key(&id) {
            return Err(OfferError::Moving);
        }
        let stand = InWorlds { worlds: &*self.worlds, id: hosted.world() };
        Ok(Offered {
            new: hosted.description().clone(),
            tick: hosted.tick(),
            world: stand.state(),
            hash: stand.hash(),
            sessions: flows_of(&self.flows, id).len() as u32,
        })
    }

    /// Tells the sessions of a leaving match where it goes, so that they take their seats there too.
    pub fn announce(&mut self, id: MatchId, to: &InstanceId, epoch: Epoch, effects: &mut Effects) {
        let Some(leaving) = self.leaving.get_mut(&id) else { return };
        leaving.announced = Some((to.clone(), epoch));
        self.end_former(id, effects);
        for (link, flow) in self.flows_of(id) {
            let moving = ToGateway::Moving { flow, owner: to.to_string(), epoch };
            effects.messages.push((link, moving));
        }
    }

    /// Closes a leaving match's log before the coming tick.
    pub fn close_log(&mut self, id: MatchId) {
        if let Some(leaving) = self.leaving.get_mut(&id).filter(|it| it.log == Log::Open) {
            leaving.log = Log::Closing;
        }
    }

    /// Goes on with a match that does not leave after all, in a later epoch if it was away meanwhile.
    pub fn stay(&mut self, id: MatchId, epoch: Option<Epoch>, effects: &mut Effects) {
        let Some(Leaving { announced, .. }) = self.leaving.remove(&id) else { return };
        let Some(hosted) = self.matches.get_mut(&id) else { return };
        if let Some(epoch) = epoch {
            let stand = InWorlds { worlds: &*self.worlds, id: hosted.world() };
            self.tapes.finish(id, hosted.moved_outcome(), stand.hash());
            hosted.raise(epoch);
            self.tapes.begin(id, || hosted.header(), &stand);
        }
        if announced.is_some() {
            tell_staying(&self.flows, id, effects);
        }
    }

    /// Lets go of a match that has another owner now, and tells its sessions.
    pub fn let_go(&mut self, id: MatchId, to: &InstanceId, epoch: Epoch, effects: &mut Effects) {
        self.leaving.remove(&id);
        self.end_former(id, effects);
        let Some(hosted) = self.matches.remove(&id) else { return };
        for (link, flow) in self.flows_of(id) {
            let moved = ToGateway::Moved { flow, owner: to.to_string(), epoch };
            effects.messages.push((link, moved));
        }
        self.flows.retain(|_, (of, _)| *of != id);
        let stand = InWorlds { worlds: &*self.worlds, id: hosted.world() };
        self.tapes.finish(id, hosted.moved_outcome(), stand.hash());
        let freed = self.worlds.free(hosted.world());
        debug_assert!(freed.is_ok(), "the world of a hosted match lives");
    }

    /// Makes room for a match that another instance hosts in the epoch of `offered`.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing is kept then.
    pub fn reserve(&mut self, offered: Offered) -> Result<(), ReserveError> {
        self.take_in(offered, None)
    }

    /// Makes room for a warm copy of a match; `carried` goes with it.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing is kept then.
    pub fn reserve_copy(&mut self, offered: Offered, carried: Carried) -> Result<(), ReserveError> {
        self.take_in(offered, Some(carried))
    }

    fn take_in(&mut self, offered: Offered, copy: Option<Carried>) -> Result<(), ReserveError> {
        let world = self.admit(&offered)?;
        let Offered { new, tick, .. } = offered;
        let arriving = Arriving {
            world,
            tick,
            told_tick: tick,
            ahead: VecDeque::new(),
            sessions: Vec::new(),
            early: VecDeque::new(),
            left: Vec::new(),
            closing: None,
            is_ready: false,
            copy,
            is_finished: false,
            new,
        };
        self.arriving.insert(arriving.new.id, arriving);
        Ok(())
    }

    /// Takes in the state of another instance's match, if it fits and is what it says; nothing is kept else.
    pub(super) fn admit(&mut self, offered: &Offered) -> Result<WorldId, ReserveError> {
        let Offered { new, tick, world, hash, .. } = offered;
        if self.matches.contains_key(&new.id) || self.arriving.contains_key(&new.id) {
            return Err(ReserveError::Here);
        }
        if self.matches.len() + self.arriving.len() >= self.capacity {
            return Err(ReserveError::Full { capacity: self.capacity });
        }
        let world = self.worlds.import(world, &new.rules)?;
        if let Err(error) = self.check_state(world, *tick, StateHash(*hash)) {
            self.worlds.free(world)?;
            return Err(error);
        }
        Ok(world)
    }

    /// Checks that a state is what it is said to be.
    fn check_state(&self, id: WorldId, tick: u32, expected: StateHash) -> Result<(), ReserveError> {
        let found = self.worlds.state_hash(id)?;
        let is_same = found == expected && self.worlds.tick(id)? == tick;
        if is_same { Ok(()) } else { Err(ReserveError::Hash { expected, found }) }
    }

    /// Takes confirmed inputs of an arriving match; `first` is the tick that the first of them makes.
    pub fn follow(
        &mut self,
        id: MatchId,
        first: u32,
        inputs: Vec<SeatInputs>,
        effects: &mut Effects,
    ) {
        let Some(arriving) = self.arriving.get_mut(&id) else { return };
        let next = arriving.tick + 1 + arriving.ahead.len() as u32;
        let broken = if first != next {
            Some(format!("inputs of tick {first} came where those of tick {next} are next"))
        } else if arriving.ahead.len() + inputs.len() > BEHIND_MAX {
            Some(format!("it is more than {BEHIND_MAX} ticks behind its source"))
        } else {
            arriving.ahead.extend(inputs);
            None
        };
        if let Some(why) = broken {
            effects.moves.push((id, MoveNews::Broken(why)));
        }
    }

    /// Takes the last that an arriving match's source says of it.
    pub fn closing(&mut self, id: MatchId, tick: u32, hash: u64, carried: Carried) {
        if let Some(arriving) = self.arriving.get_mut(&id) {
            arriving.closing = Some(Closing { tick, hash, carried, since: self.now });
        }
    }

    /// Begins to own a match that has arrived; returns its tick. Its sessions go on from the next one. What it missed
    /// since its source closed it is made good with the coming tick.
    ///
    /// # Errors
    /// [`OwnError`]; it still arrives then.
    pub fn own(
        &mut self,
        id: MatchId,
        epoch: Epoch,
        effects: &mut Effects,
    ) -> Result<u32, OwnError> {
        let arriving = self.arriving.get(&id).filter(|it| it.is_ready);
        let Some(Arriving { new, world, tick, closing: Some(closing), .. }) = arriving else {
            return Err(OwnError::Incomplete);
        };
        let (world, tick) = (*world, *tick);
        let (new, carried) = (NewMatch { epoch, ..new.clone() }, closing.carried.clone());
        let missed_ticks = self.now.wrapping_sub(closing.since).min(MADE_GOOD_TICKS_MAX);
        let owner = self.owner.clone();
        let hosted = Hosted::arrive(new, owner, (world, tick), carried, self.now)?;
        let Some(Arriving { sessions, early, left, .. }) = self.arriving.remove(&id) else {
            return Err(OwnError::Incomplete);
        };
        self.matches.insert(id, hosted);
        if missed_ticks > 0 {
            self.behind.insert(id, missed_ticks);
        }
        let stand = InWorlds { worlds: &*self.worlds, id: world };
        if let Some(hosted) = self.matches.get(&id) {
            self.tapes.begin(id, || hosted.header(), &stand);
        }
        for (key, attach) in sessions {
            self.adopt(key, &attach, effects);
        }
        for (key, input) in early {
            self.input(key, &input, effects);
        }
        if let Some(hosted) = self.matches.get_mut(&id) {
            for seat in left {
                hosted.leave(seat, self.now);
            }
            hosted.miss_absent(self.now);
        }
        Ok(tick)
    }

    /// Forgets a match that does not arrive after all.
    pub fn forget(&mut self, id: MatchId, effects: &mut Effects) {
        let Some(arriving) = self.arriving.remove(&id) else { return };
        let freed = self.worlds.free(arriving.world);
        debug_assert!(freed.is_ok(), "the world of an arriving match lives");
        for (key, _) in arriving.sessions {
            self.flows.remove(&key);
            let (why, detail) = (Refusal::UnknownMatch, "the match does not come here".to_owned());
            effects.messages.push((key.link, ToGateway::Refused { flow: key.flow, why, detail }));
        }
    }

    /// Returns whether a match is owned here in `epoch` or later. If not it never will be by the move that
    /// brings it now: its source takes it back.
    pub fn give_back(&mut self, id: MatchId, epoch: Epoch, effects: &mut Effects) -> bool {
        if self.matches.get(&id).is_some_and(|it| it.epoch() >= epoch) {
            return true;
        }
        if self.arriving.contains_key(&id) {
            self.forget(id, effects);
            let why = "its source takes it back".to_owned();
            effects.moves.push((id, MoveNews::Broken(why)));
        }
        false
    }

    /// Seats a session that came before its match.
    fn adopt(&mut self, key: FlowKey, attach: &Attach, effects: &mut Effects) {
        let Attach { session, connection, match_id, player, seat, ack_event, .. } = attach;
        let Some(hosted) = self.matches.get_mut(match_id) else { return };
        let worlds: &mut dyn Worlds = &mut *self.worlds;
        let session = (*session, *connection, key);
        match hosted.adopt(session, (*player, *seat), *ack_event, (self.now, worlds)) {
            Ok(()) => {
                let (epoch, start) = (hosted.epoch(), hosted.start(*seat));
                let attached = ToGateway::Attached { flow: key.flow, epoch, start };
                effects.messages.push((key.link, attached));
                self.tell_replaced(*match_id, effects);
            }
            Err(refused) => {
                self.flows.remove(&key);
                let flow = key.flow;
                let message = match super::no_seat(refused) {
                    NoSeat::Refused(why, detail) => ToGateway::Refused { flow, why, detail },
                    NoSeat::Replaced => ToGateway::Replaced { flow },
                };
                effects.messages.push((key.link, message));
            }
        }
    }

    /// Keeps a session whose match arrives, before those that are the same one over a later connection; false if the
    /// match does not arrive.
    pub(super) fn attach_early(&mut self, key: FlowKey, attach: &Attach) -> bool {
        let arriving = self.arriving.get_mut(&attach.match_id).filter(|it| it.copy.is_none());
        let Some(arriving) = arriving else { return false };
        arriving.sessions.retain(|(it, _)| *it != key);
        let is_later =
            |it: &Attach| it.session == attach.session && it.connection > attach.connection;
        let later = arriving.sessions.iter().position(|(_, it)| is_later(it));
        let at = later.unwrap_or(arriving.sessions.len());
        arriving.sessions.insert(at, (key, attach.clone()));
        self.flows.insert(key, (attach.match_id, attach.seat));
        true
    }

    /// Keeps an input for an arriving match; false if the session's match does not arrive.
    pub(super) fn input_early(&mut self, key: FlowKey, input: &Input) -> bool {
        let Some((id, _)) = self.flows.get(&key) else { return false };
        let Some(arriving) = self.arriving.get_mut(id) else { return false };
        if arriving.early.len() >= EARLY_INPUTS_MAX {
            arriving.early.pop_front();
        }
        arriving.early.push_back((key, *input));
        true
    }

    /// Drops a session whose match arrives, and remembers a player who leaves.
    pub(super) fn detach_early(&mut self, key: FlowKey, why: Leave) {
        let Some((id, seat)) = self.flows.get(&key) else { return };
        let Some(arriving) = self.arriving.get_mut(id) else { return };
        arriving.sessions.retain(|(it, _)| *it != key);
        if why == Leave::Left && !arriving.left.contains(seat) {
            arriving.left.push(*seat);
        }
    }

    /// Whether inputs of a match are not confirmed here now.
    pub(super) fn is_closed(&self, id: MatchId) -> bool {
        self.leaving.get(&id).is_some_and(Leaving::is_closed)
    }

    /// Returns where a match goes, if its sessions were told so.
    pub(super) fn announced(&self, id: MatchId) -> Option<(InstanceId, Epoch)> {
        self.leaving.get(&id)?.announced.clone()
    }

    /// Closes the logs that are to be closed, now that a tick is whole.
    pub(super) fn close_logs(&mut self, effects: &mut Effects) {
        for (id, leaving) in &mut self.leaving {
            if leaving.log != Log::Closing {
                continue;
            }
            let hosted = self.matches.get(id).filter(|it| it.phase() == Phase::Running);
            let Some(hosted) = hosted else { continue };
            leaving.log = Log::Closed;
            let stand = InWorlds { worlds: &*self.worlds, id: hosted.world() };
            let (tick, hash) = (hosted.tick(), stand.hash());
            let carried = Box::new(hosted.carry(self.now));
            effects.moves.push((*id, MoveNews::Closed { tick, hash, carried }));
        }
    }

    /// Tells of a tick of a match, if it leaves.
    pub(super) fn tell_leaving(&mut self, effects: &mut Effects) {
        let Self { leaving, matches, batch, flows, worlds, .. } = self;
        if leaving.is_empty() {
            return;
        }
        for (id, inputs) in batch.ids.iter().zip(&batch.inputs) {
            if !leaving.contains_key(id) {
                continue;
            }
            let Some(hosted) = matches.get(id) else { continue };
            if hosted.phase() != Phase::Running {
                leaves_no_more(leaving, flows, *id, effects);
                continue;
            }
            let tick = hosted.tick();
            let stand = InWorlds { worlds: &**worlds, id: hosted.world() };
            let hash = tick.is_multiple_of(PROOF_TICKS).then(|| stand.hash());
            let inputs = Box::new(*inputs);
            effects.moves.push((*id, MoveNews::Stepped { tick, inputs, hash }));
        }
    }

    /// Steps the arriving matches towards their sources.
    pub(super) fn catch_up(&mut self, effects: &mut Effects) {
        for _ in 0..CATCH_UP_TICKS {
            let mut stepped = Vec::new();
            let behind = self.arriving.iter_mut().filter_map(|(id, it)| {
                let inputs = it.ahead.pop_front()?;
                it.tick += 1;
                stepped.push(*id);
                Some((it.world, inputs))
            });
            let (worlds, inputs): (Vec<_>, Vec<_>) = behind.unzip();
            if worlds.is_empty() {
                break;
            }
            let mut outputs = vec![TickOutput::default(); worlds.len()];
            let done = self.worlds.step(&worlds, &inputs, &mut outputs);
            assert!(done.is_ok(), "the game refused a batch of arriving matches: {done:?}");
            for (id, output) in stepped.iter().zip(&outputs) {
                if let Some(arriving) = self.arriving.get_mut(id) {
                    arriving.is_finished = output.finished;
                }
            }
            self.tell_arriving(effects);
        }
        self.tell_arriving(effects);
    }

    fn tell_arriving(&mut self, effects: &mut Effects) {
        for (id, arriving) in &mut self.arriving {
            let stand = InWorlds { worlds: &*self.worlds, id: arriving.world };
            if let Some(news) = arriving.news(&stand) {
                effects.moves.push((*id, news));
            }
        }
    }

    fn end_former(&mut self, id: MatchId, effects: &mut Effects) {
        if let Some(hosted) = self.matches.get_mut(&id) {
            hosted.end_former();
        }
        self.tell_replaced(id, effects);
    }

    fn flows_of(&self, id: MatchId) -> Vec<(u64, Flow)> {
        flows_of(&self.flows, id)
    }
}

impl Leaving {
    /// Whether inputs are not confirmed here now.
    pub(super) fn is_closed(&self) -> bool {
        self.log == Log::Closed
    }
}

impl Arriving {
    /// Returns the epoch of its source.
    pub(super) fn epoch(&self) -> Epoch {
        self.new.epoch
    }

    /// Returns a warm copy to go on from, and the ticks that it is behind; `None` for a match on its way.
    pub(super) fn into_going(self) -> Option<(Going, Vec<SeatInputs>)> {
        let Self { new, world, tick, ahead, copy, is_finished, .. } = self;
        let (epoch, carried) = (new.epoch, copy?);
        Some((Going { new, epoch, world, tick, carried, is_finished }, ahead.into()))
    }

    /// Returns what is to be told after a step.
    fn news(&mut self, stand: &InWorlds<'_>) -> Option<MoveNews> {
        if let Some(Closing { tick, hash, .. }) = &self.closing
            && self.ahead.is_empty()
            && !self.is_ready
        {
            let found = stand.hash();
            if (self.tick, found) != (*tick, *hash) {
                self.closing = None;
                let (tick, world) = (self.tick, stand.state());
                return Some(MoveNews::Unequal { tick, hash: found, world });
            }
            self.is_ready = true;
            return Some(MoveNews::Ready { tick: self.tick });
        }
        if self.tick == self.told_tick || !self.tick.is_multiple_of(PROOF_TICKS) {
            return None;
        }
        self.told_tick = self.tick;
        let sessions = self.sessions.len() as u32;
        Some(MoveNews::Level { tick: self.tick, hash: stand.hash(), sessions })
    }
}

/// Ends the leaving of a match that is over.
pub(super) fn leaves_no_more(
    leaving: &mut BTreeMap<MatchId, Leaving>,
    flows: &Flows,
    id: MatchId,
    effects: &mut Effects,
) {
    let Some(left) = leaving.remove(&id) else { return };
    effects.moves.push((id, MoveNews::Over));
    if left.announced.is_some() {
        tell_staying(flows, id, effects);
    }
}

/// Tells whoever copies a match that it is not here any more; returns whether it is.
pub(super) fn leaves_with(is_here: bool, id: MatchId, effects: &mut Effects) -> bool {
    if !is_here {
        effects.moves.push((id, MoveNews::Over));
    }
    is_here
}

fn tell_staying(flows: &Flows, id: MatchId, effects: &mut Effects) {
    for (link, flow) in flows_of(flows, id) {
        effects.messages.push((link, ToGateway::Staying { flow }));
    }
}

fn flows_of(flows: &Flows, id: MatchId) -> Vec<(u64, Flow)> {
    let of = flows.iter().filter(|(_, (of, _))| *of == id);
    let mut found: Vec<_> = of.map(|(key, _)| (key.link, key.flow)).collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests;
