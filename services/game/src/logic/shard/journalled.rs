//! What a tick thread writes down of its matches, so that another instance can go on if this one dies, and how it
//! goes on with those of another. docs/failover.md tells the whole story.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use arena_sdk::{SeatInputs, TickOutput, WorldId};
use arena_types::{Epoch, FailoverPolicy, MatchId};
use arena_wire::game::v1::Carried;

use super::{Effects, FlowKey, InWorlds, MoveNews, Offered, ReserveError, Shard};
use crate::logic::hosted::{CarriedError, Hosted, NewMatch, Phase};
use crate::logic::tape::Stand as _;

/// Ticks in one entry: 50 ms.
const ENTRY_TICKS: u32 = 3;
/// Ticks between two snapshots: a second, and so the most that is ever played again.
const SNAPSHOT_TICKS: u32 = 60;
/// Ticks that an event is kept back until it is durable; while the hot state is away, events are told this late
/// and a death may take them back.
const HOLD_TICKS: u32 = 30;
/// Ticks that a match which goes on here waits for the first of its players: nobody would see what is stepped before,
/// and nothing of theirs would be in it.
const PLAYERLESS_TICKS: u32 = 30;

/// An entry of a match's journal.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The match.
    pub id: MatchId,
    /// The epoch it is confirmed in.
    pub epoch: Epoch,
    /// The last tick it covers.
    pub tick: u32,
    /// What is to be written.
    pub what: What,
}

/// What an entry says.
#[derive(Clone, Debug)]
pub enum What {
    /// The whole match.
    Snapshot(Box<Offered>, Carried),
    /// What was confirmed since the entry before: what every seat did, and all else that changed.
    Confirmed(Vec<SeatInputs>, Carried),
}

/// Why a match is not gone on with.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It does not fit here.
    #[error(transparent)]
    Reserve(#[from] ReserveError),
    /// The game cannot play it again.
    #[error("play the journalled ticks again")]
    Play(#[from] arena_sdk::WorldError),
    /// What goes with it is no match.
    #[error(transparent)]
    Carried(#[from] CarriedError),
    /// There is no warm copy of it.
    #[error("no warm copy of the match is kept here")]
    NoCopy,
}

/// The journals of a shard's matches.
#[derive(Debug, Default)]
pub(super) struct Journals {
    marks: BTreeMap<MatchId, Mark>,
    /// Matches that are about to be gone on with here.
    awaited: BTreeSet<MatchId>,
}

/// How far a match's journal is.
#[derive(Debug)]
struct Mark {
    epoch: Epoch,
    /// Ticks of no entry yet.
    ticks: Vec<SeatInputs>,
    /// The last event of the entry before.
    last_event: u32,
    /// The last event that is durable, or that was kept back long enough.
    told_event: u32,
    /// Entries whose fate is not known: tick, last event, and the shard's tick at which they were made; those
    /// of [`HOLD_TICKS`] at most.
    unsaved: VecDeque<(u32, u32, u32)>,
    is_begun: bool,
}

impl Journals {
    /// Whether a match is about to be gone on with here: who attaches shall try again.
    pub(super) fn awaits(&self, id: MatchId) -> bool {
        self.awaited.contains(&id)
    }

    /// Writes no journal of a match any more.
    pub(super) fn end(&mut self, id: MatchId) {
        self.marks.remove(&id);
    }
}

impl Shard {
    /// Takes the word that a match's journal is durable up to a tick.
    pub fn journalled(&mut self, id: MatchId, epoch: Epoch, tick: u32) {
        let mark = self.journals.marks.get_mut(&id).filter(|it| it.epoch == epoch);
        let Some(mark) = mark else { return };
        while let Some((_, event, _)) = mark.unsaved.pop_front_if(|it| it.0 <= tick) {
            mark.told_event = mark.told_event.max(event);
        }
    }

    /// Says that a match is about to be gone on with here, or is not after all.
    pub fn await_match(&mut self, id: MatchId, is_awaited: Awaited) {
        match is_awaited {
            Awaited::Yes => self.journals.awaited.insert(id),
            Awaited::No => self.journals.awaited.remove(&id),
        };
    }

    /// Writes down the tick that was just stepped, and lets events be told that are durable.
    pub(super) fn write_down(&mut self, effects: &mut Effects) {
        let Self { matches, batch, worlds, now, copies, journals: Journals { marks, .. }, .. } =
            self;
        for (id, inputs) in batch.ids.iter().zip(&batch.inputs) {
            let Some(hosted) = matches.get(id) else { continue };
            let is_covered = Self::is_covered(copies, *id);
            if hosted.description().failover == FailoverPolicy::Off || is_covered {
                continue;
            }
            let mark = marks.entry(*id).or_insert_with(|| Mark::new(hosted.epoch()));
            if mark.epoch != hosted.epoch() {
                *mark = Mark { told_event: mark.told_event, ..Mark::new(hosted.epoch()) };
            }
            mark.ticks.push(*inputs);
            let stand = InWorlds { worlds: &**worlds, id: hosted.world() };
            if let Some(what) = mark.entry(hosted, &stand, *now) {
                let (epoch, tick) = (hosted.epoch(), hosted.tick());
                mark.unsaved.push_back((tick, hosted.last_event(), *now));
                effects.journal.push(Entry { id: *id, epoch, tick, what });
            }
        }
        marks.retain(|id, mark| {
            let Some(hosted) = matches.get_mut(id) else { return false };
            mark.hold(hosted, *now);
            hosted.tell_up_to(mark.told_event);
            true
        });
    }

    /// Goes on with a match of which so much is known, as its owner of `epoch`; returns its tick. Those who
    /// played it are expected.
    ///
    /// # Errors
    /// [`RestoreError`]; nothing is kept then.
    pub fn restore(
        &mut self,
        restoring: Restoring,
        epoch: Epoch,
        now_ms: u64,
        effects: &mut Effects,
    ) -> Result<u32, RestoreError> {
        let Restoring { offered, inputs, carried } = restoring;
        let id = offered.new.id;
        self.journals.awaited.remove(&id);
        if self.arriving.contains_key(&id) {
            self.forget(id, effects);
            let why = "its source died, and it goes on here".to_owned();
            effects.moves.push((id, MoveNews::Broken(why)));
        }
        let world = self.admit(&offered)?;
        let Offered { new, tick, .. } = offered;
        let going = Going { new, epoch, world, tick, carried, is_finished: false };
        self.go_on(going, &inputs, now_ms, effects)
    }

    /// Plays what follows again, and begins to own the match; its world is freed if it cannot be.
    pub(super) fn go_on(
        &mut self,
        going: Going,
        inputs: &[SeatInputs],
        now_ms: u64,
        effects: &mut Effects,
    ) -> Result<u32, RestoreError> {
        let Going { new, epoch, world, tick, carried, is_finished } = going;
        let id = new.id;
        let restored = self.play_again(world, inputs).and_then(|finished| {
            let tick = tick + inputs.len() as u32;
            let (new, owner) = (NewMatch { epoch, ..new }, self.owner.clone());
            let hosted = Hosted::arrive(new, owner, (world, tick), carried, self.now)?;
            Ok((hosted, finished.unwrap_or(is_finished), tick))
        });
        let (mut hosted, finished, tick) = match restored {
            Ok(restored) => restored,
            Err(error) => {
                let freed = self.worlds.free(world);
                debug_assert!(freed.is_ok(), "the world of a match that was admitted lives");
                return Err(error);
            }
        };
        let stand = InWorlds { worlds: &*self.worlds, id: world };
        self.tapes.begin(id, || hosted.header(), &stand);
        if finished {
            let outcome = self.worlds.outcome(world)?;
            hosted.finish(&outcome, self.now);
            effects.results.push(hosted.result(&outcome, now_ms));
            self.tapes.finish(id, hosted.recorded_outcome(&outcome, "", now_ms), stand.hash());
        }
        hosted.wait_for_players(PLAYERLESS_TICKS);
        self.matches.insert(id, hosted);
        Ok(tick)
    }

    /// Steps a world over ticks; returns whether the match is over by its rules then, if there were any.
    fn play_again(
        &mut self,
        world: WorldId,
        ticks: &[SeatInputs],
    ) -> Result<Option<bool>, RestoreError> {
        let mut output = [TickOutput::default()];
        for inputs in ticks {
            self.worlds.step(&[world], std::slice::from_ref(inputs), &mut output)?;
        }
        Ok((!ticks.is_empty()).then_some(output[0].finished))
    }
}

/// What is known of a match whose owner died.
#[derive(Clone, Debug)]
pub struct Restoring {
    /// The match at a snapshot.
    pub offered: Offered,
    /// What every seat did in each tick after it.
    pub inputs: Vec<SeatInputs>,
    /// All else, after the last of these ticks.
    pub carried: Carried,
}

/// A match that is gone on with here, its world admitted.
#[derive(Debug)]
pub(super) struct Going {
    pub(super) new: NewMatch,
    /// The epoch it is owned in.
    pub(super) epoch: Epoch,
    pub(super) world: WorldId,
    /// The ticks stepped.
    pub(super) tick: u32,
    pub(super) carried: Carried,
    /// Whether it was over by its rules then.
    pub(super) is_finished: bool,
}

/// Whether a match is about to be gone on with here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// It is.
    Yes,
    /// It is not after all.
    No,
}

impl Mark {
    fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            ticks: Vec::with_capacity(ENTRY_TICKS as usize),
            last_event: 0,
            told_event: 0,
            unsaved: VecDeque::new(),
            is_begun: false,
        }
    }

    /// Returns what is to be written after this tick, if it is time.
    fn entry(&mut self, hosted: &Hosted<FlowKey>, stand: &InWorlds<'_>, now: u32) -> Option<What> {
        // Entries of all matches are made in the same tick, for one write takes them all; snapshots take turns.
        let turn = now / ENTRY_TICKS + hosted.id().as_u64() as u32 % (SNAPSHOT_TICKS / ENTRY_TICKS);
        let (is_over, is_due) = (hosted.phase() != Phase::Running, now.is_multiple_of(ENTRY_TICKS));
        let is_turn = is_due && turn.is_multiple_of(SNAPSHOT_TICKS / ENTRY_TICKS);
        if !is_over && (!self.is_begun || is_turn) {
            self.is_begun = true;
            self.ticks.clear();
            self.last_event = hosted.last_event();
            let offered = Offered {
                new: hosted.description().clone(),
                tick: hosted.tick(),
                world: stand.state(),
                hash: stand.hash(),
                sessions: 0,
            };
            return Some(What::Snapshot(Box::new(offered), hosted.carry(now)));
        }
        if !self.is_begun || !is_over && !is_due {
            return None;
        }
        let progress = hosted.progress(now, self.last_event);
        self.last_event = progress.last_event;
        Some(What::Confirmed(std::mem::take(&mut self.ticks), progress))
    }

    /// Gives up keeping back what is not durable in time, and the end of a match of which nothing is written any
    /// more.
    fn hold(&mut self, hosted: &Hosted<FlowKey>, now: u32) {
        let is_late = |it: &mut (u32, u32, u32)| now.wrapping_sub(it.2) >= HOLD_TICKS;
        while let Some((_, event, _)) = self.unsaved.pop_front_if(is_late) {
            self.told_event = self.told_event.max(event);
        }
        if hosted.phase() != Phase::Running && self.unsaved.is_empty() {
            self.told_event = hosted.last_event();
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
