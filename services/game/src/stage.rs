//! Where players are told and shown what happens; matches with a warm copy elsewhere once that has the tick.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arena_instance::Fence;
use arena_types::{MatchId, Tick};
use arena_wire::link::ToGateway;

use crate::links::Links;
use crate::logic::shadow::Gate;
use crate::logic::shard::{FlowKey, Held};

/// The way to the players; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    fence: Fence,
    links: Arc<Links>,
    gates: Arc<Mutex<HashMap<MatchId, Gate<Held>>>>,
    begun: Instant,
}

impl Stage {
    pub(crate) fn new(fence: Fence, links: Arc<Links>) -> Self {
        Self { fence, links, gates: Arc::default(), begun: Instant::now() }
    }

    /// Sends what players are told and shown; nothing once another instance may own a match: a process that was
    /// stopped since the tick goes on here.
    pub(crate) fn publish(
        &self,
        messages: &[(u64, ToGateway)],
        frames: &[(FlowKey, Tick, Vec<u8>)],
    ) {
        if !self.fence.is_open() {
            if !messages.is_empty() {
                self.links.cut_all(); // their sessions attach again, and are told
            }
            return;
        }
        for (link, message) in messages {
            self.links.send(*link, message);
        }
        for (key, tick, frame) in frames {
            // A frame that cannot be sent is lost, the next one is not.
            self.links.send_frame(*key, *tick, frame);
        }
    }

    /// Sends what is not to be kept back.
    pub(crate) fn show(&self, held: Vec<Held>) {
        if held.is_empty() {
            return;
        }
        let now_ms = self.now_ms();
        let mut gates = self.gates();
        for held in held {
            match gates.get_mut(&held.id) {
                Some(gate) => self.let_out(&gate.push(held.tick, held, now_ms)),
                None => self.let_out(&[held]),
            }
        }
    }

    /// Keeps back from now on what a match's copy does not have.
    pub(crate) fn hold(&self, id: MatchId) {
        self.gates().entry(id).or_default().close();
    }

    /// Notes that a match's copy has all up to a tick; returns how long the oldest of what goes out waited.
    pub(crate) fn kept(&self, id: MatchId, tick: u32) -> Option<Duration> {
        let mut gates = self.gates();
        let (shown, waited_ms) = gates.get_mut(&id)?.kept(tick, self.now_ms());
        self.let_out(&shown);
        waited_ms.map(Duration::from_millis)
    }

    /// Shows all that was kept back of a match, and keeps back no more.
    pub(crate) fn release(&self, id: MatchId) {
        let mut gates = self.gates();
        if let Some(mut gate) = gates.remove(&id) {
            self.let_out(&gate.open());
        }
    }

    /// Returns when a match's copy has had a tick for too long; `None` if nothing is kept back.
    pub(crate) fn late_at(&self, id: MatchId) -> Option<Instant> {
        let late_ms = self.gates().get(&id)?.late_at_ms()?;
        Some(self.begun + Duration::from_millis(late_ms))
    }

    fn let_out(&self, shown: &[Held]) {
        for Held { messages, frames, .. } in shown {
            self.publish(messages, frames);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn gates(&self) -> MutexGuard<'_, HashMap<MatchId, Gate<Held>>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
