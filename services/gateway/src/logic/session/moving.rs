//! A session whose match changes its owner: it has a seat at both until the new one plays.

use arena_types::{Epoch, InstanceId};
use arena_wire::link::Leave;
use arena_wire::play::{MatchStart, Owner, ServerMessage};

use super::{Effect, Phase, Session};
use crate::logic::record::Seat;

/// Once the old owner has let go, the new one plays within this, or the registry is asked.
const ALONE_MS: u64 = 1_000;

/// The seat at the owner that comes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Next {
    owner: InstanceId,
    epoch: Epoch,
    /// The old owner has let go.
    is_alone: bool,
}

impl Session {
    /// Takes the seat at the next owner too; inputs go to both from here on.
    pub(super) fn moving(&mut self, owner: InstanceId, epoch: Epoch) {
        let Phase::Playing { seat, over_since_ms: None, next } = &mut self.phase else { return };
        if epoch <= seat.epoch || next.as_ref().is_some_and(|it| it.epoch >= epoch) {
            return;
        }
        let there = Seat { owner: owner.clone(), epoch, ..seat.clone() };
        *next = Some(Next { owner, epoch, is_alone: false });
        let (ack_tick, ack_event) = (self.client.ack_tick, self.client.ack_event);
        self.act(Effect::AttachNext { seat: there, ack_tick, ack_event });
    }

    /// Lets go of the seat at the next owner, if there is one.
    pub(super) fn let_go_of_next(&mut self, why: Leave) {
        let Phase::Playing { next, .. } = &mut self.phase else { return };
        if next.take().is_some() {
            self.act(Effect::DetachNext(why));
        }
    }

    /// The old owner has let go.
    pub(super) fn moved(&mut self, epoch: Epoch, now_ms: u64) {
        match &mut self.phase {
            Phase::Playing { next: Some(next), .. } if next.epoch >= epoch => {
                next.is_alone = true;
                self.wake_at_ms = Some(now_ms + ALONE_MS);
            }
            // What the new owner said first has been heard already.
            Phase::Playing { seat, .. } if seat.epoch >= epoch => {}
            _ => self.lost(now_ms),
        }
    }

    /// Goes over to the next owner, which plays now; false if the start is another's.
    pub(super) fn goes_over(&mut self, start: &MatchStart, now_ms: u64) -> bool {
        let Phase::Playing { seat, next, .. } = &mut self.phase else { return false };
        let is_next = next.as_ref().is_some_and(|it| it.epoch <= start.epoch);
        if !is_next || (seat.match_id, seat.seat) != (start.match_id, start.seat) {
            return false;
        }
        *next = None;
        (seat.owner, seat.epoch) = (start.owner.clone(), start.epoch);
        let owner = Owner {
            match_id: start.match_id,
            epoch: start.epoch,
            instance: start.owner.clone(),
            release: start.release,
            moving: false,
        };
        if self.client_over().is_none() {
            self.wake_at_ms = None;
        }
        self.act(Effect::Promote);
        self.act(Effect::Send(ServerMessage::Owner(owner)));
        self.save(now_ms);
        true
    }

    /// The seat at the owner of `epoch` is lost; returns whether that was the next one, which is gone then.
    pub(super) fn next_lost(&mut self, epoch: Epoch, now_ms: u64) -> bool {
        let Phase::Playing { next, .. } = &mut self.phase else { return false };
        let Some(lost) = next.take_if(|it| it.epoch == epoch) else { return false };
        self.act(Effect::DetachNext(Leave::Lost));
        if lost.is_alone {
            self.lost(now_ms);
        }
        true
    }

    /// Whether the session plays at a later owner than that of `epoch`.
    pub(super) fn is_past(&self, epoch: Epoch) -> bool {
        matches!(&self.phase, Phase::Playing { seat, .. } if epoch < seat.epoch)
    }

    /// The seat at the owner that goes is lost, while there is a next one: it is waited for.
    pub(super) fn waits_for_next(&mut self, now_ms: u64) -> bool {
        let Phase::Playing { next: Some(next), over_since_ms: None, .. } = &mut self.phase else {
            return false;
        };
        next.is_alone = true;
        self.wake_at_ms = Some(now_ms + ALONE_MS);
        true
    }

    /// The next owner did not play in time after the old one let go.
    pub(super) fn next_is_late(&mut self, now_ms: u64) {
        let Phase::Playing { next, .. } = &mut self.phase else { return };
        if next.take_if(|it| it.is_alone).is_some() {
            self.act(Effect::DetachNext(Leave::Lost));
            self.act(Effect::Detach(Leave::Lost));
            self.lost(now_ms);
        }
    }

    fn client_over(&self) -> Option<u64> {
        match &self.phase {
            Phase::Playing { over_since_ms, .. } => *over_since_ms,
            _ => None,
        }
    }
}
