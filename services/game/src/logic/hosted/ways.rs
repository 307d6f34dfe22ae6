//! A session on its seat: over one way, or for a moment over two while it changes its gateway.

use arena_types::{SessionId, Tick};

use super::{Hosted, Place};

/// Ticks that inputs still count over the way a session has left: half a second, as long as its seat is
/// held without any.
const FORMER_TICKS: u32 = 30;

/// A session that plays from a seat.
#[derive(Clone, Debug)]
pub(super) struct Session<F> {
    pub(super) id: SessionId,
    /// Connections it had before the one it plays over.
    pub(super) connection: u32,
    /// Where its messages go.
    pub(super) flow: F,
    pub(super) told: u32,
    pub(super) heard: u32,
    /// The newest frame it had from an owner before, which may have been ahead of what could be gone on with.
    pub(super) seen: Tick,
}

/// The way a session came before. Its client has not heard yet that it is seated over another one: what it
/// sent meanwhile is on its way here. It is shown nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Former<F> {
    pub(super) flow: F,
    since: u32,
}

impl<F> Former<F> {
    /// Whether inputs do not count over it any more.
    pub(super) fn is_over(&self, now: u32) -> bool {
        now.wrapping_sub(self.since) >= FORMER_TICKS
    }
}

impl<F: Copy + PartialEq> Place<F> {
    /// Whether the seat is played from over a later connection of the same session.
    pub(super) fn is_past(&self, id: SessionId, connection: u32) -> bool {
        self.session.as_ref().is_some_and(|it| it.id == id && it.connection > connection)
    }

    /// Seats a session. The same session over another flow keeps the one before for its inputs; returns the
    /// flows that have nothing to do with the seat any more.
    pub(super) fn take_session(&mut self, session: Session<F>, now: u32) -> [Option<F>; 2] {
        let (id, flow) = (session.id, session.flow);
        let Some(before) = self.session.replace(session).filter(|it| it.flow != flow) else {
            return [None, None];
        };
        let is_same = before.id == id;
        let former = is_same.then_some(Former { flow: before.flow, since: now });
        let older = std::mem::replace(&mut self.former, former).map(|it| it.flow);
        [older.filter(|it| *it != flow), (!is_same).then_some(before.flow)]
    }

    /// Whether a flow speaks for the seat. The first word over the way that its session has now ends the former
    /// one, which is added to `replaced`: a client that knows the new way sends all over it.
    pub(super) fn is_heard(&mut self, flow: F, replaced: &mut Vec<F>) -> bool {
        if self.session.as_ref().is_some_and(|it| it.flow == flow) {
            replaced.extend(self.former.take().map(|it| it.flow));
            return true;
        }
        self.former.as_ref().is_some_and(|it| it.flow == flow)
    }
}

impl<F: Copy + PartialEq> Hosted<F> {
    /// Takes the flows whose seat another flow has now.
    pub fn take_replaced(&mut self) -> Vec<F> {
        std::mem::take(&mut self.replaced)
    }

    /// Ends all ways that sessions have left: they hear no more of the match.
    pub fn end_former(&mut self) {
        let former = self.places.iter_mut().flatten().filter_map(|it| it.former.take());
        self.replaced.extend(former.map(|it| it.flow));
    }
}
