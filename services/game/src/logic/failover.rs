//! A match whose owner died: what an instance that could go on with it decides. docs/failover.md tells the whole
//! story.
//!
//! ```text
//! wait ──my turn──▸ read ──journal whole──▸ swap ──committed──▸ restore ──plays──▸ taken
//!   ▲                │ └──another game──▸ stand by ──nobody took it──┐   └── cannot ──┐
//!   └─no answer, no swap┘└──no journal────────────────────────────────▸ abandon ◂───────┘
//! ```
//!
//! The registry decides in one transaction: the old owner's key is absent, the record is as it was read, the own key is
//! there. An answer that is lost is replaced by reading the record again.

/// Each candidate waits for those before it: several times what a healthy one takes to swap.
const TURN_MS: u64 = 300;
/// Before the hot state or the registry is asked again.
const RETRY_MS: u64 = 100;
/// A match that no candidate could go on with for so long ends: sessions give up later.
const ABANDON_MS: u64 = 8_000;
/// Tries to remove the record of a match that ends; the next look finds it again.
const ABANDON_TRIES: u32 = 10;

/// One candidate's view of one match.
#[derive(Clone, Debug)]
pub struct TakeOver {
    phase: Phase,
    rank: u32,
    since_ms: u64,
    next_ms: u64,
    tries: u32,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is another candidate's turn, or nobody answers.
    Wait,
    /// The journal is being read.
    Read,
    /// This instance cannot play it; perhaps another can.
    StandBy,
    /// The registry is asked to name this instance.
    Swap,
    /// The registry names this instance, which plays the journal again.
    Restore,
    /// The match ends: its record is being removed.
    Abandon,
    /// It is over.
    Over,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time passed.
    Time,
    /// The record is another's by now, or gone, or the owner's key is there again.
    Back,
    /// What is known of the match.
    Journal(Journal),
    /// What became of a write to the registry, or what the record says after none was heard of.
    Written(Written),
    /// It is played here.
    Restored,
    /// It cannot be played here after all.
    Failed(String),
}

/// What the hot state has of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Journal {
    /// Enough to go on.
    Whole,
    /// Nothing that can be read, for good.
    Missing,
    /// A match that this instance cannot play, or has no room for.
    Foreign(String),
    /// The hot state does not answer.
    Unknown,
}

/// What became of a write to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is done.
    Committed,
    /// It can never be done: the record is another, or the owner is back.
    Refused,
    /// It was not done, and may be tried again.
    Unchanged,
    /// Nobody knows.
    Unknown,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Read the journal.
    Read,
    /// Write this instance as the owner, one epoch later.
    Swap,
    /// Read the record, and say what became of the write.
    Verify,
    /// Play the journal again and go on.
    Restore,
    /// Remove the record, if it is as it was read or written here.
    Abandon,
    /// It is over.
    Finish(Outcome),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Outcome {
    /// The match goes on here.
    #[error("taken over")]
    Taken,
    /// It goes on elsewhere.
    #[error("another instance goes on with it")]
    Elsewhere,
    /// The match is lost.
    #[error("the match is lost: {0}")]
    Lost(String),
    /// Nobody could say whose it is; the next look finds it again.
    #[error("the registry does not answer")]
    Unknown,
}

impl TakeOver {
    /// Begins as the candidate of this rank, from 0.
    #[must_use]
    pub fn new(rank: u32, now_ms: u64) -> Self {
        let next_ms = now_ms + u64::from(rank) * TURN_MS;
        Self { phase: Phase::Wait, rank, since_ms: now_ms, next_ms, tries: 0 }
    }

    /// Returns how far it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Decides what to do about `event`.
    #[must_use]
    pub fn on(&mut self, event: Event, now_ms: u64) -> Option<Effect> {
        match (self.phase, event) {
            (Phase::Wait | Phase::Read | Phase::StandBy, Event::Back) => {
                Some(self.finish(Outcome::Elsewhere))
            }
            (Phase::Wait, Event::Time) if now_ms >= self.next_ms => {
                self.phase = Phase::Read;
                Some(Effect::Read)
            }
            (Phase::Read, Event::Journal(journal)) => self.known(&journal, now_ms),
            (Phase::StandBy, Event::Time) if now_ms >= self.next_ms => Some(self.abandon()),
            (Phase::Swap, Event::Written(written)) => self.swapped(written, now_ms),
            // A write of its own, whose answer was lost, looks like another's.
            (Phase::Swap, Event::Time | Event::Back) if now_ms >= self.next_ms => {
                self.next_ms = now_ms + RETRY_MS;
                Some(Effect::Verify)
            }
            (Phase::Restore, Event::Restored) => Some(self.finish(Outcome::Taken)),
            (Phase::Restore, Event::Failed(_)) => Some(self.abandon()),
            (Phase::Abandon, Event::Written(written)) => self.abandoned(written, now_ms),
            (Phase::Abandon, Event::Time | Event::Back) if now_ms >= self.next_ms => {
                Some(self.abandon())
            }
            _ => None,
        }
    }

    fn known(&mut self, journal: &Journal, now_ms: u64) -> Option<Effect> {
        match journal {
            Journal::Whole => {
                (self.phase, self.next_ms) = (Phase::Swap, now_ms + RETRY_MS);
                Some(Effect::Swap)
            }
            Journal::Missing => Some(self.abandon()),
            Journal::Unknown if now_ms < self.abandon_ms() => {
                (self.phase, self.next_ms) = (Phase::Wait, now_ms + RETRY_MS);
                None
            }
            Journal::Foreign(_) | Journal::Unknown => {
                (self.phase, self.next_ms) = (Phase::StandBy, self.abandon_ms());
                None
            }
        }
    }

    fn swapped(&mut self, written: Written, now_ms: u64) -> Option<Effect> {
        self.next_ms = now_ms + RETRY_MS;
        match written {
            Written::Committed => {
                self.phase = Phase::Restore;
                Some(Effect::Restore)
            }
            Written::Refused => Some(self.finish(Outcome::Elsewhere)),
            // Its own key may be gone for a moment, or the owner's may be back: from the start again.
            Written::Unchanged => {
                self.phase = Phase::Wait;
                None
            }
            Written::Unknown => None, // asked again in a moment
        }
    }

    fn abandoned(&mut self, written: Written, now_ms: u64) -> Option<Effect> {
        self.next_ms = now_ms + RETRY_MS;
        match written {
            Written::Committed => {
                Some(self.finish(Outcome::Lost("it could not be gone on with anywhere".to_owned())))
            }
            Written::Refused => Some(self.finish(Outcome::Elsewhere)),
            Written::Unchanged | Written::Unknown if self.tries >= ABANDON_TRIES => {
                Some(self.finish(Outcome::Unknown))
            }
            Written::Unchanged | Written::Unknown => None,
        }
    }

    /// Candidates end a match one after the other too.
    fn abandon_ms(&self) -> u64 {
        self.since_ms + ABANDON_MS + u64::from(self.rank) * TURN_MS
    }

    fn abandon(&mut self) -> Effect {
        self.phase = Phase::Abandon;
        self.tries += 1;
        Effect::Abandon
    }

    fn finish(&mut self, outcome: Outcome) -> Effect {
        self.phase = Phase::Over;
        Effect::Finish(outcome)
    }
}

#[cfg(test)]
mod tests;
