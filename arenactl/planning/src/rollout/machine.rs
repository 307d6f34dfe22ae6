//! The state of a rollout and its one transition function.

use std::collections::BTreeSet;
use std::fmt;

use arena_types::{InstanceId, Region, ReleaseId, ServiceName};
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::plan::Plan;
use crate::rollout::effect::{Effect, Event};
use crate::rollout::phase::{Await, Phase, Signal};
use crate::rollout::strategy;
use crate::spec::OnFailure;
use crate::stage::Stage;
use crate::units::Span;

/// The version of the journal's content; a reader refuses a larger one.
pub const ROLLOUT_VERSION: u32 = 2;

/// The name of one run: eight hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RolloutId(pub String);

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Which way a rollout goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the new release.
    Forward,
    /// Back to what ran before.
    Back,
}

/// Why a rollout turned round or stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "cause")]
pub enum Cause {
    /// An instance does not run.
    InstanceFailed {
        /// The instance.
        instance: InstanceId,
        /// What is known.
        reason: String,
    },
    /// Instances did not get there in time.
    TimedOut {
        /// Those that are missing.
        instances: Vec<InstanceId>,
        /// The time they had.
        limit: Span,
    },
    /// The operator took it back.
    Aborted {
        /// Why, in the operator's words.
        reason: String,
    },
}

/// The first thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In the stage of this service.
    pub service: ServiceName,
    /// In this phase.
    pub phase: Phase,
    /// Because of this.
    pub cause: Cause,
}

/// Why a rollout stands still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "pause")]
pub enum Pause {
    /// The operator asked for it.
    Operator,
    /// The drain's deadline passed and these still hold matches or sessions.
    DrainOverdue {
        /// Those that are not empty.
        instances: Vec<InstanceId>,
    },
    /// These do not stop.
    DoesNotStop {
        /// Those that still run.
        instances: Vec<InstanceId>,
    },
}

/// How a rollout ended, or why it stands still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// The new release serves.
    Done,
    /// It failed or was aborted, and everything was taken back.
    RolledBack,
    /// It failed and so did the way back.
    RollbackFailed,
    /// It failed and was left for a person to look at.
    LeftAsIs,
    /// It waits for an operator.
    Paused {
        /// Why.
        reason: Pause,
    },
}

impl Outcome {
    /// Returns arenactl's exit code for it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::RolledBack => 10,
            Self::RollbackFailed => 11,
            Self::LeftAsIs => 12,
            Self::Paused { .. } => 13,
        }
    }

    /// Returns whether nothing can happen any more.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Paused { .. })
    }
}

/// What an instance is waited for to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Awaited {
    /// To take work.
    Ready,
    /// To have nothing left.
    Empty,
    /// To have stopped.
    Stopped,
}

/// One thing a rollout waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The instance.
    pub unit: InstanceId,
    /// What it shall become.
    pub state: Awaited,
}

/// When a phase's time is over: the time of the journal's row `since_step` plus `after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The step that entered the phase.
    pub since_step: u64,
    /// How long the phase may take.
    pub after: Span,
}

/// A rollout. Serialised as a whole, it is what the journal holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The version of this record.
    pub version: u32,
    /// Its name.
    pub id: RolloutId,
    /// Where it runs.
    pub region: Region,
    /// What ran before.
    pub from: Option<ReleaseId>,
    /// What shall run.
    pub to: ReleaseId,
    /// The digest of its plan.
    pub plan: Digest,
    /// What happens when a stage fails.
    pub on_failure: OnFailure,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// Counts the transitions.
    pub step: u64,
    /// Which way it goes.
    pub direction: Direction,
    /// The current stage; the number of stages once all are done.
    pub at: usize,
    /// The current stage's phase.
    pub phase: Phase,
    /// The step that entered the phase.
    pub since_step: u64,
    /// Awaited instances that are there already.
    pub seen: BTreeSet<InstanceId>,
    /// Whether the operator paused it.
    pub paused: bool,
    /// Whether it failed and stays as it is.
    pub left: bool,
    /// The first thing that went wrong.
    pub failure: Option<Failure>,
}

impl Rollout {
    /// Begins `plan` and returns the first effects.
    #[must_use]
    pub fn start(plan: &Plan) -> (Self, Vec<Effect>) {
        let mut rollout = Self {
            version: ROLLOUT_VERSION,
            id: plan.rollout.clone(),
            region: plan.region.clone(),
            from: plan.from,
            to: plan.to,
            plan: plan.digest,
            on_failure: plan.on_failure,
            stages: plan.stages.clone(),
            step: 0,
            direction: Direction::Forward,
            at: 0,
            phase: Phase::Pending,
            since_step: 0,
            seen: BTreeSet::new(),
            paused: false,
            left: false,
            failure: None,
        };
        let effects = rollout.send(Signal::Begin);
        (rollout, effects)
    }

    /// Returns the next state and what shall be done, or `None` if `event` means nothing here.
    #[must_use]
    pub fn on(&self, event: &Event) -> Option<(Self, Vec<Effect>)> {
        let mut next = self.clone();
        next.step += 1;
        let effects = next.apply(event)?;
        Some((next, effects))
    }

    /// Returns how it ended or why it stands still; `None` while it runs.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.phase {
            _ if self.left => Some(Outcome::LeftAsIs),
            Phase::RevertFailed => Some(Outcome::RollbackFailed),
            Phase::RolledBack => Some(Outcome::RolledBack),
            Phase::Overdue(_) | Phase::OverdueBack(_) => {
                Some(Outcome::Paused { reason: Pause::DrainOverdue { instances: self.missing() } })
            }
            Phase::Stuck(_) => {
                Some(Outcome::Paused { reason: Pause::DoesNotStop { instances: self.missing() } })
            }
            _ if self.direction == Direction::Forward && self.at == self.stages.len() => {
                Some(Outcome::Done)
            }
            _ if self.paused => Some(Outcome::Paused { reason: Pause::Operator }),
            _ => None,
        }
    }

    /// Returns the current stage, unless all are done.
    #[must_use]
    pub fn stage(&self) -> Option<&Stage> {
        self.stages.get(self.at)
    }

    /// Returns what it still waits for.
    #[must_use]
    pub fn waits(&self) -> Vec<Wait> {
        let state = match self.phase.awaits() {
            Await::Nothing | Await::Elapsed => return Vec::new(),
            Await::Ready(_) => Awaited::Ready,
            Await::Empty(_) => Awaited::Empty,
            Await::Stopped(_) => Awaited::Stopped,
        };
        self.missing().into_iter().map(|unit| Wait { unit, state }).collect()
    }

    /// Returns the instances whose failure must be told at once.
    #[must_use]
    pub fn watched(&self) -> BTreeSet<InstanceId> {
        self.stage().map(|stage| strategy::watched(stage, self.phase)).unwrap_or_default()
    }

    /// Returns when the current phase's time is over, if it can be.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        let after = strategy::limit(self.stage()?, self.phase)?;
        Some(Deadline { since_step: self.since_step, after })
    }

    /// Returns the awaited instances that are not there yet. For a paused phase: those it paused for.
    fn missing(&self) -> Vec<InstanceId> {
        let waited_in = match self.phase {
            Phase::Overdue(batch) => Phase::Draining(batch),
            Phase::OverdueBack(batch) => Phase::DrainingBack(batch),
            Phase::Stuck(batch) => Phase::Stopping(batch),
            phase => phase,
        };
        let Some(stage) = self.stage() else { return Vec::new() };
        strategy::awaited(stage, waited_in.awaits()).difference(&self.seen).cloned().collect()
    }

    fn apply(&mut self, event: &Event) -> Option<Vec<Effect>> {
        if self.outcome().is_some_and(|it| it.is_final()) {
            return None;
        }
        match event {
            Event::Pause => (!self.paused && !self.phase.is_paused()).then(|| {
                self.paused = true;
                Vec::new()
            }),
            Event::Resume if self.paused => {
                self.paused = false;
                self.resume()
            }
            Event::Resume => self.signal(Signal::Resume),
            Event::Promote => {
                let was_paused = std::mem::replace(&mut self.paused, false);
                self.signal(Signal::Promote).or_else(|| was_paused.then(|| self.resume())?)
            }
            Event::Abort { reason } => self.abort(reason),
            _ if self.paused => None,
            Event::Deadline => self.time_out(),
            Event::Failed { instance, reason } => self.lose(instance, reason),
            Event::Ready { instance } | Event::Empty { instance } | Event::Stopped { instance } => {
                self.see(instance, event)
            }
        }
    }

    /// Goes on after an operator's pause: what the phase does is done again, and its time starts anew.
    fn resume(&mut self) -> Option<Vec<Effect>> {
        self.since_step = self.step;
        let stage = self.stage()?;
        Some(strategy::effects(stage, &strategy::acts(stage, self.phase)))
    }

    fn abort(&mut self, reason: &str) -> Option<Vec<Effect>> {
        if self.direction == Direction::Back {
            return None;
        }
        self.paused = false;
        self.fail(Cause::Aborted { reason: reason.to_owned() });
        self.direction = Direction::Back;
        self.signal(Signal::Revert)
    }

    fn time_out(&mut self) -> Option<Vec<Effect>> {
        let limit = strategy::limit(self.stage()?, self.phase)?;
        if matches!(self.phase, Phase::Starting(_)) {
            let cause = Cause::TimedOut { instances: self.missing(), limit };
            return self.fall(cause, Signal::Deadline);
        }
        self.signal(Signal::Deadline)
    }

    fn lose(&mut self, instance: &InstanceId, reason: &str) -> Option<Vec<Effect>> {
        let gone = Event::Stopped { instance: instance.clone() };
        if !self.watched().contains(instance) {
            return self.see(instance, &gone); // what is gone is empty and has stopped
        }
        let cause = Cause::InstanceFailed { instance: instance.clone(), reason: reason.to_owned() };
        self.fall(cause, Signal::Lost)
    }

    /// Turns round because of `cause`, or stays as it is if the operator chose so.
    fn fall(&mut self, cause: Cause, signal: Signal) -> Option<Vec<Effect>> {
        self.fail(cause);
        if self.direction == Direction::Forward && self.on_failure == OnFailure::Leave {
            self.left = true;
            return Some(Vec::new());
        }
        self.direction = Direction::Back;
        self.signal(signal)
    }

    fn fail(&mut self, cause: Cause) {
        let Some(stage) = self.stages.get(self.at) else { return };
        let failure = Failure { service: stage.service.clone(), phase: self.phase, cause };
        self.failure.get_or_insert(failure);
    }

    /// Counts an instance as being where it is awaited.
    fn see(&mut self, instance: &InstanceId, event: &Event) -> Option<Vec<Effect>> {
        let awaits = self.phase.awaits();
        let fits = match awaits {
            Await::Ready(_) => matches!(event, Event::Ready { .. }),
            Await::Empty(_) => matches!(event, Event::Empty { .. } | Event::Stopped { .. }),
            Await::Stopped(_) => matches!(event, Event::Stopped { .. }),
            Await::Nothing | Await::Elapsed => false,
        };
        if !fits || !strategy::awaited(self.stage()?, awaits).contains(instance) {
            return None;
        }
        self.seen.insert(instance.clone()).then(|| self.advance())
    }

    /// Sends a signal to the current stage, or returns `None` if it means nothing there.
    fn signal(&mut self, signal: Signal) -> Option<Vec<Effect>> {
        let stage = self.stage()?;
        let (phase, acts) = strategy::on(stage, self.phase, signal)?;
        let mut effects = strategy::effects(stage, &acts);
        self.enter(phase);
        effects.extend(self.advance());
        Some(effects)
    }

    /// Sends a signal that the current stage cannot refuse, or does nothing past the last stage.
    fn send(&mut self, signal: Signal) -> Vec<Effect> {
        self.signal(signal).unwrap_or_default()
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since_step = self.step;
        if !phase.is_paused() {
            self.seen.clear();
        }
    }

    /// Goes on as far as nothing is waited for: through phases whose instances are all there, and
    /// from a finished stage to the next one.
    fn advance(&mut self) -> Vec<Effect> {
        let Some(stage) = self.stage() else { return Vec::new() };
        match (self.phase, self.direction) {
            (Phase::Promoted, Direction::Forward) => {
                self.at += 1;
                self.enter(Phase::Pending);
                self.send(Signal::Begin)
            }
            (Phase::RolledBack, _) if self.at > 0 => {
                self.at -= 1;
                self.enter(Phase::Promoted);
                self.send(Signal::Revert)
            }
            (Phase::Routing(_), _) if stage.settle == Span::ZERO => self.send(Signal::Deadline),
            _ => match strategy::fulfilled(self.phase.awaits()) {
                Some(signal) if self.missing().is_empty() => self.send(signal),
                _ => Vec::new(),
            },
        }
    }
}
