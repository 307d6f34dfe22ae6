//! Warm copies of matches: what a tick thread does for those of its own that another shard copies, and with the copies
//! it keeps of others'. docs/failover.md tells the whole story.

use std::collections::BTreeMap;

use arena_sdk::SeatInputs;
use arena_types::{Epoch, FailoverPolicy, MatchId, Tick};
use arena_wire::game::v1::Carried;
use arena_wire::link::ToGateway;

use super::journalled::Going;
use super::moving::{PROOF_TICKS, leaves_with};
use super::{Effects, FlowKey, InWorlds, MoveNews, OfferError, Offered, RestoreError, Shard};
use crate::logic::hosted::{Hosted, Phase};
use crate::logic::recovery::{expect_back, progress};
use crate::logic::tape::Stand as _;

/// What is told and shown of a match of which a warm copy may be kept: it goes out once the copy has the tick.
#[derive(Debug)]
pub struct Held {
    /// The match.
    pub id: MatchId,
    /// The tick that it tells of.
    pub tick: u32,
    /// Reliable messages to gateways.
    pub messages: Vec<(u64, ToGateway)>,
    /// Frames.
    pub frames: Vec<(FlowKey, Tick, Vec<u8>)>,
}

/// A match of which a copy is kept elsewhere.
#[derive(Debug)]
pub(super) struct Copying {
    /// The last event that the copy was told.
    last_event: u32,
    /// Whether all that is shown of it is in the copy.
    is_covered: bool,
}

/// The copies that are kept elsewhere.
pub(super) type Copies = BTreeMap<MatchId, Copying>;

/// Whether a match's copy elsewhere has all that is shown of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    /// It has.
    Yes,
    /// It may not have.
    No,
}

impl Shard {
    /// Returns the matches that shall have a warm copy elsewhere and have none.
    #[must_use]
    pub fn unshadowed(&self) -> Vec<MatchId> {
        let lacks = |(id, it): &(&MatchId, &Hosted<FlowKey>)| {
            is_shadowed(it)
                && it.phase() == Phase::Running
                && it.tick() > 0
                && !self.leaving.contains_key(id)
                && !self.copies.contains_key(id)
        };
        self.matches.iter().filter(lacks).map(|(id, _)| *id).collect()
    }

    /// Returns a running match as it stands, for a copy that is told all that happens to it from here on.
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn copy(&mut self, id: MatchId) -> Result<(Offered, Carried), OfferError> {
        if self.copies.contains_key(&id) {
            return Err(OfferError::Moving);
        }
        let offered = self.described(id)?;
        let hosted = self.matches.get(&id).ok_or(OfferError::NotHere)?;
        let carried = hosted.carry(self.now);
        self.copies.insert(id, Copying { last_event: carried.last_event, is_covered: false });
        Ok((offered, carried))
    }

    /// Notes whether a match's copy has all that is shown of it: then no journal is written.
    pub fn cover(&mut self, id: MatchId, covered: Covered, effects: &mut Effects) {
        let Some(copying) = self.copies.get_mut(&id) else { return };
        copying.is_covered = covered == Covered::Yes;
        if let (true, Some(hosted)) = (copying.is_covered, self.matches.get_mut(&id)) {
            self.journals.end(id);
            hosted.tell_up_to(u32::MAX);
            effects.covered.push((id, hosted.epoch()));
        }
    }

    /// Tells a copy no more.
    pub fn end_copy(&mut self, id: MatchId) {
        self.copies.remove(&id);
    }

    /// Whether a match is in a copy that is told all.
    pub(super) fn is_covered(copies: &Copies, id: MatchId) -> bool {
        copies.get(&id).is_some_and(|it| it.is_covered)
    }

    /// Tells the copies of the tick that was just stepped.
    pub(super) fn tell_copies(&mut self, effects: &mut Effects) {
        let Self { copies, matches, batch, worlds, now, .. } = self;
        if copies.is_empty() {
            return;
        }
        for (id, inputs) in batch.ids.iter().zip(&batch.inputs) {
            let (Some(copying), Some(hosted)) = (copies.get_mut(id), matches.get(id)) else {
                continue;
            };
            let tick = hosted.tick();
            let stand = InWorlds { worlds: &**worlds, id: hosted.world() };
            let hash = tick.is_multiple_of(PROOF_TICKS).then(|| stand.hash());
            let carried = Box::new(hosted.progress(*now, copying.last_event));
            copying.last_event = carried.last_event;
            let inputs = Box::new(*inputs);
            effects.moves.push((*id, MoveNews::Confirmed { tick, inputs, carried, hash }));
        }
        copies.retain(|id, _| leaves_with(matches.contains_key(id), *id, effects));
    }

    /// Takes what was confirmed of a match of which a copy is kept here.
    pub fn copied(
        &mut self,
        id: MatchId,
        (first, inputs): (u32, Vec<SeatInputs>),
        carried: Carried,
        effects: &mut Effects,
    ) {
        self.follow(id, first, inputs, effects);
        if let Some(copy) = self.arriving.get_mut(&id).and_then(|it| it.copy.as_mut()) {
            progress(copy, carried);
        }
    }

    /// Whether a warm copy of a match is kept here, as its owner of `epoch` confirmed it.
    #[must_use]
    pub fn has_copy(&self, id: MatchId, epoch: Epoch) -> bool {
        let of = self.arriving.get(&id).filter(|it| it.copy.is_some());
        of.is_some_and(|it| it.epoch() == epoch)
    }

    /// Goes on with a match from the copy that is kept here, as its owner of `epoch`; returns its tick. Again changes
    /// nothing.
    ///
    /// # Errors
    /// [`RestoreError`]; the copy is forgotten then.
    pub fn own_copy(
        &mut self,
        id: MatchId,
        epoch: Epoch,
        now_ms: u64,
        effects: &mut Effects,
    ) -> Result<u32, RestoreError> {
        if let Some(hosted) = self.matches.get(&id).filter(|it| it.epoch() == epoch) {
            return Ok(hosted.tick());
        }
        self.await_match(id, super::Awaited::No);
        let found = self.arriving.remove(&id);
        let Some((going, ahead)) = found.and_then(super::moving::Arriving::into_going) else {
            return Err(RestoreError::NoCopy);
        };
        let why = "its source died, and it goes on here".to_owned();
        effects.moves.push((id, MoveNews::Broken(why)));
        let mut going = Going { epoch, ..going };
        going.carried.seats.iter_mut().for_each(expect_back);
        self.go_on(going, &ahead, now_ms, effects)
    }
}

/// Whether a match shall have a warm copy elsewhere.
pub(super) fn is_shadowed(hosted: &Hosted<FlowKey>) -> bool {
    hosted.description().failover == FailoverPolicy::Shadow
}

#[cfg(test)]
mod tests;
