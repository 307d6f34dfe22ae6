//! What the target decides: it owns a match only if its state is the source's last one and the registry says so,
//! whatever the source says.

use arena_types::Epoch;

/// How long the registry may have the match as the source's before it is forgotten; a source that lives has decided
/// by then.
const CLAIM_MS: u64 = 5_000;

/// Between two looks at whose a match is of which a warm copy is kept.
const LOOK_MS: u64 = 500;

/// The target's side of a move, or of a warm copy.
#[derive(Clone, Debug)]
pub struct Target {
    phase: TargetPhase,
    since_ms: u64,
    /// Whether the end of the log came.
    is_closed: bool,
    is_ready: bool,
    /// Whether the source has said that the registry names the target.
    is_asked: bool,
    found: Whose,
    next: Epoch,
    role: Role,
    looked_ms: u64,
}

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It shall be the next owner.
    Next,
    /// It keeps a warm copy, which has no end of a log.
    Copy,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetPhase {
    /// It follows the source.
    Follow,
    /// The source says that the match is the target's, or is gone: the registry is asked whose it is.
    Claim,
    /// It is over.
    Over,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetEvent {
    /// The end of the log came.
    Closed,
    /// The match stands as the source closed it.
    Ready,
    /// The match took another course, cannot arrive, or was taken back by the source.
    Broken,
    /// The source says that the registry has the match as the target's.
    Asked,
    /// The way to the source broke.
    Gone,
    /// What the registry says.
    Found(Whose),
    /// Time passed.
    Time,
}

/// Whose a match is, by the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The target's, by this very move.
    Mine,
    /// Still the source's.
    Source,
    /// Somebody else's, or nobody's.
    Other,
    /// Nobody knows.
    Unknown,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetEffect {
    /// Own the match in this epoch, and say so.
    Own(Epoch),
    /// Forget the match.
    Forget,
    /// Read whose it is.
    Read,
}

impl Target {
    /// Begins to follow a source that owns the match in the epoch before `next`.
    #[must_use]
    pub fn new(next: Epoch) -> Self {
        Self {
            phase: TargetPhase::Follow,
            since_ms: 0,
            is_closed: false,
            is_ready: false,
            is_asked: false,
            found: Whose::Unknown,
            next,
            role: Role::Next,
            looked_ms: 0,
        }
    }

    /// Begins to keep a warm copy of the match of a source that owns it in the epoch before `next`.
    #[must_use]
    pub fn shadow(next: Epoch) -> Self {
        Self { role: Role::Copy, is_ready: true, ..Self::new(next) }
    }

    /// Returns how far it is.
    #[must_use]
    pub fn phase(&self) -> TargetPhase {
        self.phase
    }

    /// Decides what to do about `event`.
    #[must_use]
    pub fn on(&mut self, event: TargetEvent, now_ms: u64) -> Option<TargetEffect> {
        match (self.phase, event) {
            (TargetPhase::Over, _) => None,
            (_, TargetEvent::Broken) => Some(self.end(TargetEffect::Forget)),
            (TargetPhase::Follow, event) => self.follow(event, now_ms),
            (TargetPhase::Claim, event) => self.claim(event, now_ms),
        }
    }

    fn follow(&mut self, event: TargetEvent, now_ms: u64) -> Option<TargetEffect> {
        match event {
            TargetEvent::Closed => self.is_closed = true,
            TargetEvent::Ready => self.is_ready = true,
            TargetEvent::Asked => self.is_asked = true,
            TargetEvent::Gone if !self.is_closed && self.role == Role::Next => {
                return Some(self.end(TargetEffect::Forget));
            }
            TargetEvent::Gone => return Some(self.ask(now_ms)),
            _ => {}
        }
        (self.is_ready && self.is_asked).then(|| self.ask(now_ms))
    }

    fn ask(&mut self, now_ms: u64) -> TargetEffect {
        (self.phase, self.since_ms) = (TargetPhase::Claim, now_ms);
        self.looked_ms = now_ms;
        TargetEffect::Read
    }

    fn claim(&mut self, event: TargetEvent, now_ms: u64) -> Option<TargetEffect> {
        match event {
            TargetEvent::Ready => self.is_ready = true,
            TargetEvent::Found(Whose::Other) => return Some(self.end(TargetEffect::Forget)),
            TargetEvent::Found(whose) => self.found = whose,
            // The registry names it: its copy is wanted for as long as that is so.
            TargetEvent::Time if self.role == Role::Copy && self.found != Whose::Mine => {
                let is_due = now_ms.saturating_sub(self.looked_ms) >= LOOK_MS;
                return is_due.then(|| {
                    self.looked_ms = now_ms;
                    TargetEffect::Read
                });
            }
            TargetEvent::Time if self.found != Whose::Mine => {
                let is_late = now_ms.saturating_sub(self.since_ms) >= CLAIM_MS;
                return Some(if is_late && self.found == Whose::Source {
                    self.end(TargetEffect::Forget)
                } else {
                    TargetEffect::Read
                });
            }
            _ => {}
        }
        (self.is_ready && self.found == Whose::Mine).then(|| self.own())
    }

    fn own(&mut self) -> TargetEffect {
        self.end(TargetEffect::Own(self.next))
    }

    fn end(&mut self, effect: TargetEffect) -> TargetEffect {
        self.phase = TargetPhase::Over;
        effect
    }
}
