//! The reliable events of a match: numbered, kept until everyone can have them, told again.

use std::collections::VecDeque;

use arena_types::Tick;
use arena_wire::play::{Event, EventKind, FlagChange, ServerMessage};

/// Events kept for sessions that come back: minutes of a wild match, some 20 KiB.
pub(super) const KEPT_MAX: usize = 512;

/// Returns what is told of something that happened in a game.
#[must_use]
pub fn kind(event: &arena_sdk::Event) -> EventKind {
    use arena_sdk::FlagChange as Change;
    match event {
        arena_sdk::Event::Kill { killer, victim } => {
            EventKind::Kill { killer: *killer, victim: *victim }
        }
        arena_sdk::Event::Flag { team, change, seat } => {
            let change = match change {
                Change::Taken => FlagChange::Taken,
                Change::Dropped => FlagChange::Dropped,
                Change::Returned => FlagChange::Returned,
                Change::Captured => FlagChange::Captured,
            };
            EventKind::Flag { team: *team, change, seat: *seat }
        }
        arena_sdk::Event::Own(bytes) => EventKind::Own(bytes.clone()),
    }
}

/// The events of one match.
#[derive(Clone, Debug, Default)]
pub struct EventLog {
    /// Encoded messages; the last one has the sequence `last`.
    kept: VecDeque<Vec<u8>>,
    last: u32,
}

impl EventLog {
    /// Adds an event.
    pub fn push(&mut self, tick: u32, kind: EventKind) {
        self.last += 1;
        let event = Event { seq: self.last, tick: Tick(tick), kind };
        self.kept.push_back(ServerMessage::Event(event).encode());
        if self.kept.len() > KEPT_MAX {
            self.kept.pop_front();
        }
    }

    /// Goes on with the events that the match's owner before kept, oldest first.
    ///
    /// # Errors
    /// The name of the value that no log can have.
    pub fn restore(kept: Vec<Vec<u8>>, last: u32) -> Result<Self, &'static str> {
        if kept.len() > KEPT_MAX || kept.len() > last as usize {
            return Err("events");
        }
        let first = last - kept.len() as u32;
        for (index, bytes) in kept.iter().enumerate() {
            match ServerMessage::decode(bytes) {
                Ok(ServerMessage::Event(it)) if it.seq == first + 1 + index as u32 => {}
                _ => return Err("events"),
            }
        }
        Ok(Self { kept: kept.into(), last })
    }

    /// Returns the sequence of the newest event, 0 if there is none.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Returns the sequence that events can be told after: `seq`, or later if those are gone.
    #[must_use]
    pub fn after(&self, seq: u32) -> u32 {
        seq.clamp(self.last - self.kept.len() as u32, self.last)
    }

    /// Returns the events after `seq` with their sequences, oldest first.
    pub fn since(&self, seq: u32) -> impl Iterator<Item = (u32, &[u8])> {
        let first = self.last - self.kept.len() as u32;
        let skip = seq.saturating_sub(first) as usize;
        self.kept
            .iter()
            .enumerate()
            .skip(skip)
            .map(move |(index, bytes)| (first + 1 + index as u32, bytes.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(events: u32) -> EventLog {
        let mut log = EventLog::default();
        (0..events).for_each(|it| log.push(it, EventKind::Kill { killer: 1, victim: 2 }));
        log
    }

    #[test]
    fn events_after_a_sequence_carry_their_own() {
        for (events, seq, expected) in
            [(0, 0, vec![]), (3, 0, vec![1, 2, 3]), (3, 2, vec![3]), (3, 3, vec![]), (3, 9, vec![])]
        {
            let log = log_of(events);
            let found: Vec<_> = log
                .since(seq)
                .map(|(seq, bytes)| {
                    let ServerMessage::Event(event) = ServerMessage::decode(bytes).unwrap() else {
                        panic!("an event")
                    };
                    assert_eq!(event.seq, seq);
                    seq
                })
                .collect();
            assert_eq!(found, expected, "{events} events, after {seq}");
        }
    }

    #[test]
    fn old_events_are_given_up_in_order() {
        let log = log_of(KEPT_MAX as u32 + 10);
        assert_eq!(log.since(0).next().unwrap().0, 11);
        assert_eq!((log.after(0), log.after(20), log.after(9_999)), (10, 20, log.last()));
    }
}
