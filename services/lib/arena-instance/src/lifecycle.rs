//! The life of an instance: what happened in, what to do out. No clock, no socket.
//!
//! ```text
//! starting ──warm──▸ ready ──drain, SIGTERM──▸ draining ──no load left──▸ empty ──(SIGTERM)──▸ stop
//!     ◂──not warm──┘   ◂───────cancel (unless by SIGTERM)───────────────────┘
//! ```

use std::time::Duration;

use arena_types::contract::{AtDeadline, DrainMode, DrainRequest, InstanceState};

/// What an instance holds: all but the shadows would be lost if it went away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Players' sessions.
    pub sessions: u32,
    /// Matches that run.
    pub matches: u32,
    /// Of these, matches on their way to another instance.
    pub moving: u32,
    /// Results and other records that no store has acknowledged yet.
    pub unsaved: u32,
    /// Warm copies of others' matches: they take room, and nobody waits for them.
    pub shadows: u32,
}

impl Load {
    /// Nothing.
    pub const NONE: Self = Self { sessions: 0, matches: 0, moving: 0, unsaved: 0, shadows: 0 };

    /// Whether nothing is held that would be lost.
    #[must_use]
    pub fn is_none(self) -> bool {
        Self { shadows: 0, ..self } == Self::NONE
    }
}

/// What an empty instance does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Stays, for whoever asked for the drain to stop it or to take the drain back.
    Stay,
    /// Exits: a SIGTERM asked for the drain.
    Exit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    Draining { then: Then, at_deadline: AtDeadline },
    Stopping,
}

/// Where an instance is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    stage: Stage,
    /// What it waits for before it is ready.
    waits_for: Option<String>,
    load: Load,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The service can take work.
    Warm,
    /// The service cannot take work, for this reason.
    NotWarm(String),
    /// `POST /drain`.
    Drain(DrainRequest),
    /// `DELETE /drain`: take new work again.
    CancelDrain,
    /// SIGTERM; the configured deadline comes with it.
    Sigterm(Duration),
    /// The load changed.
    LoadChanged(Load),
    /// The drain's deadline passed.
    DeadlinePassed,
}

/// What to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write the new state to the registry at once.
    Publish,
    /// Tell the service to take no new work and to move or finish what it has; wake up with
    /// [`Event::DeadlinePassed`] once, which replaces an earlier deadline.
    BeginDrain {
        /// Whether matches are moved or waited for.
        mode: DrainMode,
        /// Time until the deadline.
        within: Duration,
    },
    /// Tell the service to take new work again, and forget the deadline.
    Resume,
    /// Say that the deadline passed and the load is kept.
    ReportOverdue,
    /// Tell the service to end what is left, and count it.
    EndLoad(Load),
    /// Close everything in order and exit.
    Stop,
    /// Exit now, whatever is left.
    StopNow,
}

impl Lifecycle {
    /// Starts a life: cold, because of `waits_for`, without load.
    #[must_use]
    pub fn new(waits_for: &str) -> Self {
        Self { stage: Stage::Serving, waits_for: Some(waits_for.to_owned()), load: Load::NONE }
    }

    /// Returns the state as the contract names it.
    #[must_use]
    pub fn state(&self) -> InstanceState {
        match (self.stage, &self.waits_for) {
            (Stage::Serving, Some(_)) => InstanceState::Starting,
            (Stage::Serving, None) => InstanceState::Ready,
            _ if self.load.is_none() => InstanceState::Empty,
            (Stage::Draining { .. } | Stage::Stopping, _) => InstanceState::Draining,
        }
    }

    /// Returns why `/readyz` says 503, or `None` if it says 200.
    #[must_use]
    pub fn not_ready(&self) -> Option<&str> {
        match self.stage {
            Stage::Serving => self.waits_for.as_deref(),
            Stage::Draining { .. } => Some("it drains"),
            Stage::Stopping => Some("it stops"),
        }
    }

    /// Returns what it holds.
    #[must_use]
    pub fn load(&self) -> Load {
        self.load
    }

    /// Applies `event`, or returns `None` if it is refused here: then nothing changed.
    #[must_use]
    pub fn on(&self, event: Event) -> Option<(Self, Vec<Effect>)> {
        let mut next = self.clone();
        let mut effects = next.apply(event)?;
        if next.state() != self.state() {
            effects.insert(0, Effect::Publish);
        }
        if let Stage::Draining { then: Then::Exit, .. } = next.stage
            && next.load.is_none()
        {
            next.stage = Stage::Stopping;
            effects.push(Effect::Stop);
        }
        Some((next, effects))
    }

    fn apply(&mut self, event: Event) -> Option<Vec<Effect>> {
        match event {
            Event::Warm => self.waits_for = None,
            Event::NotWarm(reason) => self.waits_for = Some(reason),
            // Figures of many threads, read one by one: what moves is never more than what runs.
            Event::LoadChanged(load) => {
                self.load = Load { moving: load.moving.min(load.matches), ..load };
            }
            Event::Drain(request) => return self.drain(request),
            Event::CancelDrain => return self.cancel(),
            Event::Sigterm(deadline) => return Some(self.sigterm(deadline)),
            Event::DeadlinePassed => return self.deadline_passed(),
        }
        Some(Vec::new())
    }

    fn drain(&mut self, request: DrainRequest) -> Option<Vec<Effect>> {
        let then = match self.stage {
            Stage::Serving => Then::Stay,
            Stage::Draining { then, .. } => then,
            Stage::Stopping => return None,
        };
        let DrainRequest { deadline_s, mode, at_deadline } = request;
        self.stage = Stage::Draining { then, at_deadline };
        Some(vec![Effect::BeginDrain { mode, within: Duration::from_secs(deadline_s) }])
    }

    fn cancel(&mut self) -> Option<Vec<Effect>> {
        match self.stage {
            Stage::Serving => Some(Vec::new()),
            Stage::Draining { then: Then::Stay, .. } => {
                self.stage = Stage::Serving;
                Some(vec![Effect::Resume])
            }
            Stage::Draining { then: Then::Exit, .. } | Stage::Stopping => None,
        }
    }

    fn sigterm(&mut self, deadline: Duration) -> Vec<Effect> {
        match self.stage {
            Stage::Serving => {
                let at_deadline = AtDeadline::Keep;
                self.stage = Stage::Draining { then: Then::Exit, at_deadline };
                vec![Effect::BeginDrain { mode: DrainMode::Migrate, within: deadline }]
            }
            // Whoever drained it over HTTP set deadline and policy; the signal only adds the exit.
            Stage::Draining { then: Then::Stay, at_deadline } => {
                self.stage = Stage::Draining { then: Then::Exit, at_deadline };
                Vec::new()
            }
            Stage::Draining { then: Then::Exit, .. } | Stage::Stopping => {
                self.stage = Stage::Stopping;
                vec![Effect::StopNow]
            }
        }
    }

    fn deadline_passed(&mut self) -> Option<Vec<Effect>> {
        match self.stage {
            Stage::Draining { .. } if self.load.is_none() => Some(Vec::new()),
            Stage::Draining { at_deadline: AtDeadline::Keep, .. } => {
                Some(vec![Effect::ReportOverdue])
            }
            Stage::Draining { at_deadline: AtDeadline::End, .. } => {
                Some(vec![Effect::EndLoad(self.load)])
            }
            Stage::Serving | Stage::Stopping => None,
        }
    }
}

#[cfg(test)]
mod tests;
