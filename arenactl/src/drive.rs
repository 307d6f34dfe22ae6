//! The only loop: performs what a rollout asks for and tells it what happened. It decides nothing.

use std::time::Duration;

use arenactl_planning::rollout::{Effect, Event, Outcome, Rollout};
use arenactl_planning::units::Timestamp;
use tokio::time::Instant;

use crate::backend::{Backend, BackendError};
use crate::error::causes;
use crate::interrupt::Interrupts;
use crate::journal::Step;
use crate::ledger::{Ledger, LedgerError};
use crate::lock::{HEARTBEAT, Lock, LockError};

/// How often other terminals' requests are looked for: as often as a person notices.
const STEERING_INTERVAL: Duration = Duration::from_millis(250);

/// What a drive needs, all of it borrowed from the command that runs it.
pub struct Drive<'a> {
    /// Where effects are performed.
    pub backend: &'a mut dyn Backend,
    /// Where steps are written first.
    pub ledger: &'a mut dyn Ledger,
    /// The proof that this is the only drive of the region.
    pub lock: &'a Lock,
    /// Ctrl-C, counted.
    pub interrupts: &'a Interrupts,
    /// Who is told.
    pub watcher: &'a mut dyn Watcher,
    /// A drill: this process kills itself right after it wrote the step of this number.
    pub die_after_step: Option<u64>,
}

/// Is told what a drive does, to show it.
pub trait Watcher {
    /// A step was written; its effects are performed next.
    fn step(&mut self, step: &Step);
    /// An effect was performed.
    fn effect(&mut self, effect: &Effect, at: Timestamp);
    /// The rollout waits.
    fn wait(&mut self, backend: &dyn Backend, rollout: &Rollout, until: Option<Timestamp>);
    /// A person's wish arrived.
    fn wish(&mut self, wish: &Event);
    /// The person at the terminal pressed Ctrl-C once.
    fn leaving(&mut self);
}

/// How a drive ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The rollout is over, or stands still until somebody decides.
    Outcome(Outcome),
    /// Ctrl-C: everything recorded is performed, `resume` goes on.
    Detached,
}

/// Why a drive could not go on; the journal tells how far it came.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The lock is another's, or the journal could not be written.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The backend failed.
    #[error("cannot {effect}")]
    Perform {
        /// What was to be done.
        effect: String,
        /// What failed.
        source: BackendError,
    },
    /// Looking failed.
    #[error("cannot observe the region")]
    Look {
        /// What failed.
        source: BackendError,
    },
}

impl From<LedgerError> for DriveError {
    fn from(error: LedgerError) -> Self {
        Self::Lock(error.into())
    }
}

/// After the first Ctrl-C a person has this long to press it again.
const SECOND_THOUGHT: Duration = Duration::from_secs(2);

/// Timers of one drive, and what its person has pressed.
struct Due {
    beat: Instant,
    steering: Instant,
    leave: Option<Instant>,
    is_aborted: bool,
}

/// What a person at the terminal wants.
enum Wanted {
    GoOn,
    Leave,
    Abort,
}

impl Drive<'_> {
    /// Runs a rollout from its last written step to its end. That step's effects are performed first, again
    /// if need be: a crash may repeat an effect, never skip one. Then the rollout is told `wish`.
    ///
    /// # Errors
    /// The first failure; what was written stays, and the next drive repeats it.
    pub async fn run(
        &mut self,
        pending: Step,
        wish: Option<Event>,
        history: &[Step],
    ) -> Result<Ending, DriveError> {
        let mut entered: Vec<(u64, Timestamp)> =
            history.iter().map(|step| (step.rollout.step, step.at)).collect();
        let mut step = pending;
        let mut answers: Vec<Event> = wish.into_iter().collect();
        let now = Instant::now();
        let mut due = Due { beat: now, steering: now, leave: None, is_aborted: false };
        loop {
            for effect in std::mem::take(&mut step.effects) {
                self.ledger.beat(self.lock).await?; // The fence: nobody else may have taken over.
                answers.extend(self.perform(&effect).await?);
            }
            if let (Some(outcome), true) = (step.rollout.outcome(), answers.is_empty()) {
                return Ok(Ending::Outcome(outcome));
            }
            let Some(event) = self.event(&step.rollout, &entered, &mut answers, &mut due).await?
            else {
                return Ok(Ending::Detached);
            };
            let Some((rollout, effects)) = step.rollout.on(&event) else { continue };
            step = Step { rollout, event: Some(event), effects, at: self.backend.now() };
            entered.push((step.rollout.step, step.at));
            self.write(&step).await?;
        }
    }

    /// Writes a step; only then may its effects be performed.
    ///
    /// # Errors
    /// [`DriveError::Lock`].
    pub async fn write(&mut self, step: &Step) -> Result<(), DriveError> {
        self.ledger.record(self.lock, &step.rollout.id.0, step).await?;
        self.watcher.step(step);
        if self.die_after_step == Some(step.rollout.step) {
            die();
        }
        Ok(())
    }

    async fn perform(&mut self, effect: &Effect) -> Result<Option<Event>, DriveError> {
        let answer = match (self.backend.perform(effect).await, effect) {
            (Ok(()), _) => None,
            // What cannot be started has failed, and the rollout knows what to do about that.
            (Err(error), Effect::Start { instance, .. } | Effect::Restore { instance, .. }) => {
                Some(Event::Failed { instance: instance.clone(), reason: causes(&error) })
            }
            (Err(source), _) => {
                return Err(DriveError::Perform { effect: effect.to_string(), source });
            }
        };
        self.watcher.effect(effect, self.backend.now());
        Ok(answer)
    }

    /// Waits for what the rollout is to be told next; `None` if the person at the terminal leaves.
    async fn event(
        &mut self,
        rollout: &Rollout,
        entered: &[(u64, Timestamp)],
        answers: &mut Vec<Event>,
        due: &mut Due,
    ) -> Result<Option<Event>, DriveError> {
        let until = deadline(rollout, entered);
        loop {
            match self.wanted(due) {
                Wanted::GoOn => {}
                Wanted::Leave => return Ok(None),
                Wanted::Abort => {
                    let reason = "interrupted twice".to_owned();
                    return Ok(Some(self.wish(Event::Abort { reason })));
                }
            }
            if !answers.is_empty() {
                return Ok(Some(answers.remove(0)));
            }
            let seen = self.backend.look(rollout).await;
            if let Some(event) = seen.map_err(|source| DriveError::Look { source })? {
                return Ok(Some(event));
            }
            if until.is_some_and(|until| self.backend.now() >= until) {
                return Ok(Some(Event::Deadline));
            }
            if let Some(wish) = self.housekeeping(due).await? {
                return Ok(Some(self.wish(wish)));
            }
            self.watcher.wait(&*self.backend, rollout, until);
            self.backend.rest(until).await;
        }
    }

    /// The first Ctrl-C leaves after a moment, a second one takes the rollout back, a third leaves that.
    fn wanted(&mut self, due: &mut Due) -> Wanted {
        let now = Instant::now();
        match self.interrupts.count() {
            0 => Wanted::GoOn,
            1 => {
                if due.leave.is_none() {
                    due.leave = Some(now + SECOND_THOUGHT);
                    self.watcher.leaving();
                }
                if due.leave.is_some_and(|at| now >= at) { Wanted::Leave } else { Wanted::GoOn }
            }
            2 if due.is_aborted => Wanted::GoOn,
            2 => {
                due.is_aborted = true;
                Wanted::Abort
            }
            _ => Wanted::Leave,
        }
    }

    /// Shows a sign of life and asks for wishes from other terminals.
    async fn housekeeping(&mut self, due: &mut Due) -> Result<Option<Event>, DriveError> {
        let now = Instant::now();
        if now >= due.beat {
            due.beat = now + HEARTBEAT;
            self.ledger.beat(self.lock).await?;
        }
        if now < due.steering {
            return Ok(None);
        }
        due.steering = now + STEERING_INTERVAL;
        let wish = self.ledger.take_steering().await?;
        Ok(wish.map(crate::journal::Steering::into_event))
    }

    fn wish(&mut self, wish: Event) -> Event {
        self.watcher.wish(&wish);
        wish
    }
}

/// Returns when the current phase's time is over. A step of an unknown time counts from the start.
fn deadline(rollout: &Rollout, entered: &[(u64, Timestamp)]) -> Option<Timestamp> {
    let deadline = rollout.deadline()?;
    let since = entered.iter().rev().find(|(step, _)| *step <= deadline.since_step);
    let since = since.map_or(Timestamp(0), |(_, at)| *at);
    Some(Timestamp(since.0.saturating_add(deadline.after.as_ms())))
}

/// Ends this process as `kill -9` would: no destructor, no flush, no goodbye.
fn die() -> ! {
    let own = rustix::process::getpid();
    let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    std::process::abort()
}
