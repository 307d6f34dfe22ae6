//! What the target decides: it owns a match only if its state is the source's last one and the registry says so.

use arena_types::Epoch;

/// How long, after the way to the source broke, the registry is asked who owns the match; a source that lives has
/// decided by then.
const CLAIM_MS: u64 = 5_000;

/// The target's side of a move.
#[derive(Clone, Debug)]
pub struct Target {
    phase: TargetPhase,
    since_ms: u64,
    /// Whether the end of the log came.
    is_closed: bool,
    is_ready: bool,
    is_asked: bool,
    next: Epoch,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetPhase {
    /// It follows the source.
    Follow,
    /// The source is gone: the registry is asked whose the match is.
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
    /// The source says that the registry has the match as the target's, in this epoch.
    Asked(Epoch),
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
        let (phase, since_ms) = (TargetPhase::Follow, 0);
        Self { phase, since_ms, is_closed: false, is_ready: false, is_asked: false, next }
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
            TargetEvent::Asked(epoch) if epoch == self.next => self.is_asked = true,
            TargetEvent::Asked(_) => return Some(self.end(TargetEffect::Forget)),
            TargetEvent::Gone => return Some(self.source_gone(now_ms)),
            _ => {}
        }
        (self.is_ready && self.is_asked).then(|| self.own())
    }

    fn source_gone(&mut self, now_ms: u64) -> TargetEffect {
        if !self.is_closed {
            return self.end(TargetEffect::Forget);
        }
        (self.phase, self.since_ms) = (TargetPhase::Claim, now_ms);
        TargetEffect::Read
    }

    fn claim(&mut self, event: TargetEvent, now_ms: u64) -> Option<TargetEffect> {
        match event {
            TargetEvent::Ready => self.is_ready = true,
            TargetEvent::Found(Whose::Mine) if self.is_ready => return Some(self.own()),
            TargetEvent::Found(Whose::Other) => return Some(self.end(TargetEffect::Forget)),
            TargetEvent::Time if now_ms.saturating_sub(self.since_ms) >= CLAIM_MS => {
                return Some(self.end(TargetEffect::Forget));
            }
            TargetEvent::Time => return Some(TargetEffect::Read),
            _ => {}
        }
        None
    }

    fn own(&mut self) -> TargetEffect {
        self.end(TargetEffect::Own(self.next))
    }

    fn end(&mut self, effect: TargetEffect) -> TargetEffect {
        self.phase = TargetPhase::Over;
        effect
    }
}
