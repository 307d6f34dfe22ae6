//! A match that another instance keeps a warm copy of: what its owner decides. docs/failover.md tells the whole story.
//!
//! ```text
//! reserve ──accepted──▸ warm ──level──▸ enlist ──named──▸ cover ──over, slow, gone──▸ dismiss ──not named──▸ over
//!    └──────────────────┴─ anything goes wrong: over ─┘      └───────────────────────────▸┘
//! ```
//!
//! From `enlist` on nothing of a tick is shown before the copy has it. Who the registry names is the only one that
//! may go on if the owner dies, so what is shown without a copy is shown once the registry names nobody.

mod gate;

pub use gate::{Gate, WAIT_MS};

use super::migration::Proofs;

/// An instance makes room within this.
const RESERVE_MS: u64 = 5_000;
/// A copy is level within this, or never will be.
const WARM_MS: u64 = 5_000;
/// The registry names a copy within this.
const ENLIST_MS: u64 = 5_000;
/// So long after a copy is given up nothing is shown while the registry does not say that it names nobody; then the
/// match goes on, and a death costs what was shown since.
const RELEASE_MS: u64 = 50;

/// The owner's side of one warm copy.
#[derive(Clone, Debug)]
pub struct Shadow {
    phase: Phase,
    since_ms: u64,
    proofs: Proofs,
    kept: u32,
    ending: Ending,
    is_released: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// An instance is asked for room.
    Reserve,
    /// It takes in what it missed.
    Warm,
    /// The registry is asked to name it.
    Enlist,
    /// It is named, and has all that is shown.
    Cover,
    /// It is given up: the registry shall name nobody.
    Dismiss,
    /// It is over.
    Over,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The instance has room and the state.
    Accepted,
    /// It has no room, or cannot play the match.
    Refused,
    /// The match was stepped here.
    Stepped {
        /// The tick reached.
        tick: u32,
        /// The hash, at ticks for proofs.
        hash: Option<u64>,
    },
    /// The copy has all up to a tick.
    Kept(u32),
    /// The copy was stepped over a tick for proofs.
    Level {
        /// The tick.
        tick: u32,
        /// Its hash.
        hash: u64,
    },
    /// The copy took another course.
    Unequal,
    /// The way to the copy broke.
    Gone,
    /// A tick waited too long for the copy.
    Late,
    /// What became of a write to the registry.
    Written(Written),
    /// The match is not here any more, or shall be moved.
    End,
    /// Time passed.
    Time,
}

/// What became of a write to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The record names who it shall.
    Done,
    /// The match is not this instance's any more, or is over.
    Lost,
    /// Nobody knows.
    Unknown,
}

/// What to do, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keep back what is told and shown until the copy has it.
    Hold,
    /// Have the registry name the copy.
    Name,
    /// The match is covered: no journal is written.
    Cover,
    /// It is not any more.
    Uncover,
    /// Have the registry name nobody.
    Unname,
    /// Show all that was kept back, and keep back no more.
    Release,
    /// It is over.
    Finish(Ending),
}

/// Why a copy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// The match is over, moves, or is another's.
    #[error("the match is over here")]
    Over,
    /// It did not have a tick in time.
    #[error("it did not have a tick in time")]
    Slow,
    /// Its instance died or drains.
    #[error("its instance went away")]
    Gone,
    /// It took another course.
    #[error("it computes another course of the match")]
    Unequal,
    /// There was no room, or no way to play it.
    #[error("its instance does not take it")]
    Refused,
    /// The registry did not name it.
    #[error("the registry does not name it")]
    Failed,
}

impl Ending {
    /// Returns the label of its metric.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Slow => "slow",
            Self::Gone => "gone",
            Self::Unequal => "unequal",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl Shadow {
    /// Begins with an instance that is being asked.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self {
            phase: Phase::Reserve,
            since_ms: now_ms,
            proofs: Proofs::default(),
            kept: 0,
            ending: Ending::Over,
            is_released: false,
        }
    }

    /// Returns how far it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Decides what to do about `event`.
    #[must_use]
    pub fn on(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        match (self.phase, event) {
            (Phase::Over, _) => Vec::new(),
            (Phase::Dismiss, event) => self.dismiss(&event, now_ms),
            (_, Event::Stepped { tick, hash }) => {
                self.proofs.note(tick, hash);
                Vec::new()
            }
            (_, Event::Level { tick, hash }) if self.proofs.compare(tick, hash) == Some(false) => {
                self.end(Ending::Unequal, now_ms)
            }
            (_, Event::Unequal) => self.end(Ending::Unequal, now_ms),
            (_, Event::Refused) => self.end(Ending::Refused, now_ms),
            (_, Event::Gone) => self.end(Ending::Gone, now_ms),
            (_, Event::End) => self.end(Ending::Over, now_ms),
            (Phase::Reserve, Event::Accepted) => {
                (self.phase, self.since_ms) = (Phase::Warm, now_ms);
                Vec::new()
            }
            (Phase::Warm, Event::Kept(tick)) => self.kept(tick, now_ms),
            (Phase::Enlist | Phase::Cover, Event::Late) => self.end(Ending::Slow, now_ms),
            (Phase::Enlist, Event::Written(written)) => self.enlisted(written, now_ms),
            (phase, Event::Time) if self.is_late(phase, now_ms) => {
                let ending = if phase == Phase::Enlist { Ending::Failed } else { Ending::Slow };
                self.end(ending, now_ms)
            }
            _ => Vec::new(),
        }
    }

    /// A copy that has the tick before the newest is level: the newest is on its way.
    fn kept(&mut self, tick: u32, now_ms: u64) -> Vec<Effect> {
        self.kept = self.kept.max(tick);
        if self.kept + 1 < self.proofs.newest() {
            return Vec::new();
        }
        (self.phase, self.since_ms) = (Phase::Enlist, now_ms);
        vec![Effect::Hold, Effect::Name]
    }

    fn enlisted(&mut self, written: Written, now_ms: u64) -> Vec<Effect> {
        match written {
            Written::Done => {
                (self.phase, self.since_ms) = (Phase::Cover, now_ms);
                vec![Effect::Cover]
            }
            Written::Lost => self.end(Ending::Over, now_ms),
            Written::Unknown => vec![Effect::Name],
        }
    }

    fn is_late(&self, phase: Phase, now_ms: u64) -> bool {
        let patience_ms = match phase {
            Phase::Reserve => RESERVE_MS,
            Phase::Warm => WARM_MS,
            Phase::Enlist => ENLIST_MS,
            Phase::Cover | Phase::Dismiss | Phase::Over => return false,
        };
        now_ms.saturating_sub(self.since_ms) >= patience_ms
    }

    fn end(&mut self, ending: Ending, now_ms: u64) -> Vec<Effect> {
        let before = std::mem::replace(&mut self.phase, Phase::Dismiss);
        (self.ending, self.since_ms) = (ending, now_ms);
        match before {
            Phase::Enlist => vec![Effect::Unname],
            Phase::Cover => vec![Effect::Uncover, Effect::Unname],
            _ => self.finish(),
        }
    }

    /// The registry may still name the copy: it is asked until it answers.
    fn dismiss(&mut self, event: &Event, now_ms: u64) -> Vec<Effect> {
        match event {
            Event::Written(Written::Done | Written::Lost) => self.finish(),
            Event::Written(Written::Unknown) => vec![Effect::Unname],
            Event::Time
                if !self.is_released && now_ms.saturating_sub(self.since_ms) >= RELEASE_MS =>
            {
                self.is_released = true;
                vec![Effect::Release]
            }
            _ => Vec::new(),
        }
    }

    fn finish(&mut self) -> Vec<Effect> {
        self.phase = Phase::Over;
        vec![Effect::Release, Effect::Finish(self.ending)]
    }
}

#[cfg(test)]
mod tests;
