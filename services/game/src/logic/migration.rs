//! A match changes its owner while it is played: what source and target decide. docs/migration.md tells the whole
//! story.
//!
//! ```text
//! reserve ──accepted──▸ warm ──level, seated, proven──▸ turn ──▸ close ──sent──▸ swap ──committed──▸ hand over ──owning──▸ moved
//!    └──────────────────┴─ anything goes wrong: it stays ─┴────────┘                                    └── take back ──▸ stays, two epochs later
//! ```
//!
//! Until the swap a failure costs nothing. At the swap the registry decides: an answer that is lost is replaced by
//! writing the record again, unchanged, which only one of both writes survives. After it the source keeps the
//! match's state until the target says that it publishes.

mod target;

use std::collections::VecDeque;

pub use target::{Target, TargetEffect, TargetEvent, TargetPhase, Whose};

use arena_types::{Epoch, InstanceId};

/// Equal hashes before the log is closed.
const PROOFS: u32 = 2;
/// Ticks that a level target may be behind: what is on its way to it and back.
const LEVEL_TICKS: u32 = 24;
/// Hashes of our own that wait for the target's: ten seconds of proofs.
const HASHES_MAX: usize = 75;
/// The sessions' gateways have so long to take their seats at the target; who is later resumes.
const SEATS_MS: u64 = 1_500;
/// A target answers within this.
const RESERVE_MS: u64 = 5_000;
/// A target is level within this, or never will be.
const WARM_MS: u64 = 15_000;
/// Others are done with their turns within this: each is a few ticks.
const TURN_MS: u64 = 15_000;
/// The tick thread closes a log within this, and its end is on its way.
const CLOSE_MS: u64 = 1_000;
/// A target that the registry names as the owner begins to publish within this, or is asked.
const HAND_OVER_MS: u64 = 1_000;

/// Hashes of a match here that wait for those of the same match elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Proofs {
    newest: u32,
    hashes: VecDeque<(u32, u64)>,
}

impl Proofs {
    /// Notes a tick reached here, and its hash if it is one for proofs.
    pub(super) fn note(&mut self, tick: u32, hash: Option<u64>) {
        self.newest = tick;
        if let Some(hash) = hash {
            if self.hashes.len() >= HASHES_MAX {
                self.hashes.pop_front();
            }
            self.hashes.push_back((tick, hash));
        }
    }

    /// Returns the newest tick here.
    pub(super) fn newest(&self) -> u32 {
        self.newest
    }

    /// Returns whether the hash there is the one here; `None` for a tick that was not stepped here, or of before.
    pub(super) fn compare(&mut self, tick: u32, hash: u64) -> Option<bool> {
        let at = self.hashes.iter().position(|(own, _)| *own == tick)?;
        let is_equal = self.hashes[at].1 == hash;
        self.hashes.drain(..=at);
        Some(is_equal)
    }
}

/// The source's side of a move.
#[derive(Clone, Debug)]
pub struct Source {
    phase: Phase,
    since_ms: u64,
    sessions: u32,
    own: Proofs,
    proofs: u32,
    /// Whether a match is only taken back if its target's lease has ended.
    needs_death: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The target is asked for room.
    Reserve,
    /// It plays again what it missed; gateways take seats there.
    Warm,
    /// It waits until few enough logs are closed.
    Turn,
    /// The log is being closed, and its end sent to the target.
    Close,
    /// The registry is asked to name the target.
    Swap,
    /// The target is the owner and has not said that it publishes.
    HandOver,
    /// The registry is asked to name the source again.
    TakeBack,
    /// It is over.
    Over,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The target has room and the state.
    Accepted,
    /// The target can never take it.
    Refused(String),
    /// The target does not take it now.
    Busy(String),
    /// The match was stepped here.
    Stepped {
        /// The tick reached.
        tick: u32,
        /// The hash, at ticks for proofs.
        hash: Option<u64>,
    },
    /// The target has stepped as far.
    Level {
        /// The tick it reached.
        tick: u32,
        /// Its hash.
        hash: u64,
        /// Sessions that have their seats there.
        sessions: u32,
    },
    /// The target took another course.
    Unequal,
    /// The log may be closed: few enough others are.
    Turn,
    /// The log is closed.
    Closed,
    /// The end of the log is on its way to the target.
    Sent,
    /// What became of a write to the registry.
    Written(Written),
    /// The target publishes.
    Owning,
    /// The way to the target broke.
    Gone,
    /// What the target's instance is found to do, after the way to it broke.
    Found(Found),
    /// The match ended here.
    Ended,
    /// Nobody wants it moved any more.
    Cancel,
    /// Time passed.
    Time,
}

/// What became of a write to the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is done.
    Committed,
    /// The record was written again as it was: an earlier write without an answer never happened, and never will.
    Fenced,
    /// The record is another than expected: who owns the match, in which epoch.
    Refused(Owner),
    /// Nobody knows.
    Unknown,
}

/// Who owns a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The source, as before.
    Source,
    /// The target, by this very move.
    Target,
    /// Somebody else, or in another epoch: whoever reads it is fenced.
    Other(InstanceId, Epoch),
    /// There is no record.
    Nobody,
}

/// What a target is found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It hosts the match.
    Hosts,
    /// It runs without the match, and will not own it any more: asking made sure of that.
    Idle,
    /// Its lease has ended.
    Dead,
    /// It does not answer, and its lease has not ended.
    Silent,
}

/// What to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell the sessions where the match goes.
    Announce,
    /// Wait until few enough logs are closed; the turn is kept until the move is over.
    AskTurn,
    /// Close the log before the next tick.
    CloseLog,
    /// Send the target the end of the log.
    SendClosing,
    /// Write the target as the owner, if the record is as it was and the target lives.
    Swap,
    /// Write the record again as it was, if it is as it was.
    Fence,
    /// Tell the target that it is the owner.
    SendOwn,
    /// Find out whether the target owns the match; if it does not, it shall never do so.
    Find,
    /// Write the source as the owner of the epoch after next, if the record is the target's; `dead`: and
    /// the target's lease has ended.
    TakeBack {
        /// Whether the target must be dead.
        dead: bool,
    },
    /// Go on here, as if nothing had been.
    Stay,
    /// Go on here, two epochs later.
    StayLater,
    /// The match is the target's: let go of it.
    LetGo,
    /// The match is somebody else's: let go of it.
    Yield(InstanceId, Epoch),
    /// It is over.
    Finish(Outcome),
}

/// How a move ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Outcome {
    /// The target owns the match.
    #[error("moved")]
    Moved,
    /// The match ended meanwhile.
    #[error("the match ended before it could move")]
    Ended,
    /// The target can never take it.
    #[error("{0}")]
    Refused(String),
    /// The target does not take it now.
    #[error("{0}")]
    Busy(String),
    /// The two states differ.
    #[error("the target computes another course of the match")]
    Unequal,
    /// The target did not keep up.
    #[error("the target was not level in time")]
    Slow,
    /// The way to the target broke.
    #[error("the target went away")]
    Gone,
    /// The registry says that the match is no longer this instance's.
    #[error("{0} owns the match in epoch {1}")]
    Fenced(InstanceId, Epoch),
    /// The record was changed by somebody else.
    #[error("the record of the match was changed meanwhile, or the target's lease has ended")]
    Conflict,
    /// The target became the owner and did not go on.
    #[error("the target became the owner but did not go on; the match was taken back")]
    TakenBack,
    /// It was called off.
    #[error("the move was called off")]
    Cancelled,
}

impl Source {
    /// Begins, with a target that is being asked.
    #[must_use]
    pub fn new(sessions: u32, now_ms: u64) -> Self {
        Self {
            phase: Phase::Reserve,
            since_ms: now_ms,
            sessions,
            own: Proofs::default(),
            proofs: 0,
            needs_death: false,
        }
    }

    /// Returns how far it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns whether hashes were found equal: the third step of the protocol.
    #[must_use]
    pub fn is_proving(&self) -> bool {
        self.phase == Phase::Turn || (self.phase == Phase::Warm && self.proofs > 0)
    }

    /// Decides what to do about `event`.
    #[must_use]
    pub fn on(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        match self.phase {
            Phase::Reserve => self.reserve(event, now_ms),
            Phase::Warm => self.warm(event, now_ms),
            Phase::Turn => self.turn(event, now_ms),
            Phase::Close => self.close(event, now_ms),
            Phase::Swap => self.swap(event, now_ms),
            Phase::HandOver => self.hand_over(&event, now_ms),
            Phase::TakeBack => self.take_back(&event),
            Phase::Over => Vec::new(),
        }
    }

    fn reserve(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        match event {
            Event::Accepted => {
                self.enter(Phase::Warm, now_ms);
                vec![Effect::Announce]
            }
            Event::Stepped { tick, hash } => self.stepped(tick, hash),
            event => self.before_swap(event, RESERVE_MS, now_ms),
        }
    }

    fn warm(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        match event {
            Event::Stepped { tick, hash } => self.stepped(tick, hash),
            Event::Level { tick, hash, sessions } => {
                match self.own.compare(tick, hash) {
                    None => return Vec::new(),
                    Some(false) => return self.stay(Outcome::Unequal),
                    Some(true) => {}
                }
                let is_seated = sessions >= self.sessions || self.waited(now_ms) >= SEATS_MS;
                self.proofs += u32::from(is_seated);
                let is_level = self.own.newest.saturating_sub(tick) <= LEVEL_TICKS;
                if self.proofs < PROOFS || !is_level {
                    return Vec::new();
                }
                self.enter(Phase::Turn, now_ms);
                vec![Effect::AskTurn]
            }
            event => self.before_swap(event, WARM_MS, now_ms),
        }
    }

    fn turn(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        match event {
            Event::Turn => {
                self.enter(Phase::Close, now_ms);
                vec![Effect::CloseLog]
            }
            Event::Stepped { .. } | Event::Level { .. } => Vec::new(),
            event => self.before_swap(event, TURN_MS, now_ms),
        }
    }

    fn close(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        match event {
            Event::Closed => vec![Effect::SendClosing],
            Event::Sent => {
                self.enter(Phase::Swap, now_ms);
                vec![Effect::Swap]
            }
            Event::Stepped { .. } | Event::Level { .. } => Vec::new(),
            event => self.before_swap(event, CLOSE_MS, now_ms),
        }
    }

    /// What may go wrong while nothing is lost by giving up.
    fn before_swap(&mut self, event: Event, patience_ms: u64, now_ms: u64) -> Vec<Effect> {
        match event {
            Event::Refused(why) => self.stay(Outcome::Refused(why)),
            Event::Busy(why) => self.stay(Outcome::Busy(why)),
            Event::Unequal => self.stay(Outcome::Unequal),
            Event::Gone => self.stay(Outcome::Gone),
            Event::Cancel => self.stay(Outcome::Cancelled),
            Event::Ended => self.finish(None, Outcome::Ended),
            Event::Time if self.waited(now_ms) >= patience_ms => self.stay(Outcome::Slow),
            _ => Vec::new(),
        }
    }

    /// The registry alone decides; nothing else is heard until it has.
    fn swap(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        let Event::Written(written) = event else { return Vec::new() };
        match written {
            Written::Committed | Written::Refused(Owner::Target) => {
                self.enter(Phase::HandOver, now_ms);
                vec![Effect::SendOwn]
            }
            // The swap is refused for good, by another reason than ownership.
            Written::Fenced | Written::Refused(Owner::Source | Owner::Nobody) => {
                self.stay(Outcome::Conflict)
            }
            Written::Refused(Owner::Other(owner, epoch)) => self.give_way(owner, epoch),
            Written::Unknown => vec![Effect::Fence],
        }
    }

    fn hand_over(&mut self, event: &Event, now_ms: u64) -> Vec<Effect> {
        match event {
            Event::Owning | Event::Found(Found::Hosts) => {
                self.finish(Some(Effect::LetGo), Outcome::Moved)
            }
            Event::Unequal | Event::Found(Found::Idle) => self.begin_take_back(false, now_ms),
            Event::Found(Found::Dead) => self.begin_take_back(true, now_ms),
            Event::Gone => vec![Effect::Find],
            Event::Time if self.waited(now_ms) >= HAND_OVER_MS => {
                self.since_ms = now_ms;
                vec![Effect::Find]
            }
            _ => Vec::new(),
        }
    }

    fn begin_take_back(&mut self, dead: bool, now_ms: u64) -> Vec<Effect> {
        self.enter(Phase::TakeBack, now_ms);
        self.needs_death = dead;
        vec![Effect::TakeBack { dead }]
    }

    fn take_back(&mut self, event: &Event) -> Vec<Effect> {
        match event {
            // The second is an earlier write of ours.
            Event::Written(Written::Committed | Written::Refused(Owner::Source)) => {
                self.finish(Some(Effect::StayLater), Outcome::TakenBack)
            }
            // The target owned the match, and it is over there.
            Event::Written(Written::Refused(Owner::Nobody)) => {
                self.finish(Some(Effect::LetGo), Outcome::Moved)
            }
            // It is the target's after all, and was written by it: the target goes on.
            Event::Written(Written::Refused(Owner::Target)) => {
                self.phase = Phase::HandOver;
                vec![Effect::Find]
            }
            Event::Written(Written::Refused(Owner::Other(owner, epoch))) => {
                self.give_way(owner.clone(), *epoch)
            }
            Event::Written(Written::Unknown) => vec![Effect::TakeBack { dead: self.needs_death }],
            _ => Vec::new(),
        }
    }

    fn stepped(&mut self, tick: u32, hash: Option<u64>) -> Vec<Effect> {
        self.own.note(tick, hash);
        Vec::new()
    }

    fn enter(&mut self, phase: Phase, now_ms: u64) {
        (self.phase, self.since_ms) = (phase, now_ms);
    }

    fn waited(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.since_ms)
    }

    fn stay(&mut self, outcome: Outcome) -> Vec<Effect> {
        self.finish(Some(Effect::Stay), outcome)
    }

    fn give_way(&mut self, owner: InstanceId, epoch: Epoch) -> Vec<Effect> {
        let outcome = Outcome::Fenced(owner.clone(), epoch);
        self.finish(Some(Effect::Yield(owner, epoch)), outcome)
    }

    fn finish(&mut self, last: Option<Effect>, outcome: Outcome) -> Vec<Effect> {
        self.phase = Phase::Over;
        last.into_iter().chain([Effect::Finish(outcome)]).collect()
    }
}

#[cfg(test)]
mod tests;
