//! What a client sends while it plays, and how far it is.

use arena_types::Tick;
use arena_wire::play::{Code, Input};

use super::{Phase, Session};

/// How far the client and its inputs are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) ack_tick: Tick,
    pub(super) ack_event: u32,
    /// The last event that was sent on: an owner tells again what the one before told.
    pub(super) told_event: u32,
    pub(super) input_seq: u32,
    /// After a start the client counts anew from here; what it sent before is dropped.
    pub(super) expected: Option<u32>,
}

impl Seen {
    pub(super) const NOTHING: Self =
        Self { ack_tick: Tick(0), ack_event: 0, told_event: 0, input_seq: 0, expected: None };
}

impl Session {
    /// Checks an input; returns it if the game should have it.
    ///
    /// # Errors
    /// [`Code::Replayed`] if its sequence does not grow.
    pub fn input(&mut self, input: Input) -> Result<Option<Input>, Code> {
        self.client.ack_tick = self.client.ack_tick.max(input.ack_tick);
        self.client.ack_event = self.client.ack_event.max(input.ack_event);
        if matches!(self.phase, Phase::Watching(_)) {
            return Ok(Some(input)); // it says what the client holds
        }
        let Phase::Playing { .. } = self.phase else { return Ok(None) };
        if let Some(expected) = self.client.expected {
            if input.seq != expected {
                return Ok(None);
            }
            self.client.expected = None;
        } else if input.seq <= self.client.input_seq {
            return Err(Code::Replayed);
        }
        self.client.input_seq = input.seq;
        Ok(Some(input))
    }
}
