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
    /// The last input that was passed on.
    pub(super) input_seq: u32,
    /// After a start the client goes on from here; what it sent before it saw the start is dropped.
    pub(super) expected: Option<u32>,
    /// The client may come once more from here: it cannot know what was passed on before it saw the start.
    pub(super) again: Option<u32>,
}

impl Seen {
    pub(super) const NOTHING: Self = Self {
        ack_tick: Tick(0),
        ack_event: 0,
        told_event: 0,
        input_seq: 0,
        expected: None,
        again: None,
    };

    /// Goes on after a start: the game has all inputs up to `input_seq`, and the client sends those after it.
    pub(super) fn restart(&mut self, input_seq: u32, event_seq: u32) {
        let expected = Some(input_seq.wrapping_add(1));
        (self.input_seq, self.told_event) = (input_seq, event_seq);
        (self.expected, self.again) = (expected, expected);
    }

    /// Whether an input with this sequence is passed on.
    fn passes(&mut self, seq: u32) -> Result<bool, Code> {
        if self.expected.is_some_and(|it| it != seq) {
            return Ok(false);
        }
        if self.expected.take().is_none() && seq <= self.input_seq {
            self.again.take_if(|it| *it == seq).ok_or(Code::Replayed)?;
            self.again = seq.checked_add(1);
            return Ok(false);
        }
        self.input_seq = seq;
        Ok(true)
    }
}

impl Session {
    /// Checks an input; returns it if the game should have it.
    ///
    /// # Errors
    /// [`Code::Replayed`] if its sequence does not grow, but for what is sent again after a start.
    pub fn input(&mut self, input: Input) -> Result<Option<Input>, Code> {
        self.client.ack_tick = self.client.ack_tick.max(input.ack_tick);
        self.client.ack_event = self.client.ack_event.max(input.ack_event);
        if matches!(self.phase, Phase::Watching(_)) {
            return Ok(Some(input)); // it says what the client holds
        }
        let Phase::Playing { .. } = self.phase else { return Ok(None) };
        Ok(self.client.passes(input.seq)?.then_some(input))
    }
}
