//! One rollout as a command runs it: lock, journal, drive, verdict.

mod card;
mod verdict;

use std::collections::BTreeSet;

use arena_types::{Region, ReleaseId};
use arenactl_planning::plan::Plan;
use arenactl_planning::release::Release;
use arenactl_planning::rollout::{Event, Outcome, Rollout};
use arenactl_planning::units::Timestamp;

use crate::backend::{Backend, BackendError};
use crate::drive::{Drive, DriveError, Ending};
use crate::error::{CliError, Status};
use crate::history::{History, Revision, RevisionKind, RevisionStatus};
use crate::interrupt::Interrupts;
use crate::journal::Step;
use crate::ledger::Ledger;
use crate::lock::{Lock, LockError};
use crate::print::Printer;
use crate::progress::Progress;
use crate::rules;
use crate::swarm::SwarmError;

/// A locked region and everything a rollout in it needs.
pub struct Operation<'a> {
    /// The region.
    pub region: Region,
    /// Where effects are performed.
    pub backend: &'a mut dyn Backend,
    /// Where steps are written.
    pub ledger: &'a mut dyn Ledger,
    /// The lock, held.
    pub lock: Lock,
    /// Who is told.
    pub printer: &'a Printer,
    /// Ctrl-C, counted.
    pub interrupts: Interrupts,
    /// A drill; see `--die-after-step`.
    pub die_after_step: Option<u64>,
}

/// What a new revision is about.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Who starts it.
    pub who: String,
    /// Why, in the operator's words.
    pub why: String,
    /// Its number.
    pub revision: u32,
    /// What it does.
    pub kind: RevisionKind,
}

impl Operation<'_> {
    /// Begins the rollout of a plan and drives it to its end.
    ///
    /// # Errors
    /// [`CliError`]; a rollout that ended badly is no error but a [`Status`].
    pub async fn begin(
        mut self,
        plan: &Plan,
        release: &Release,
        intent: &Intent,
    ) -> Result<Status, CliError> {
        let (revision, step) = match self.open(plan, release, intent).await {
            Ok(opened) => opened,
            Err(error) => return Err(self.unlocked(error).await),
        };
        let mut progress = Progress::new(self.printer, &self.region, &plan.rollout);
        let began = self.drive(&mut progress).write(&step).await;
        if let Err(error) = began {
            return self.broken(error, &revision).await;
        }
        self.run(step, None, &revision, progress).await
    }

    async fn open(
        &mut self,
        plan: &Plan,
        release: &Release,
        intent: &Intent,
    ) -> Result<(Revision, Step), CliError> {
        self.backend.prepare(release, &plan.rollout.0).await?;
        self.ledger.clear_steering().await?;
        let (rollout, effects) = Rollout::start(plan);
        let at = self.backend.now();
        let revision = revision(plan, intent, at);
        self.ledger.open_revision(&revision, release).await?;
        Ok((revision, Step { rollout, event: None, effects, at }))
    }

    /// Lets go of the lock after a failure that started nothing, and returns that failure.
    async fn unlocked(&mut self, error: CliError) -> CliError {
        // The failure that is about to be told is the one that matters.
        let _ = self.ledger.release_lock(&self.lock).await;
        error
    }

    /// Goes on with the rollout of an open revision, first telling it `wish`.
    ///
    /// # Errors
    /// As [`Operation::begin`].
    pub async fn go_on(
        mut self,
        revision: &Revision,
        releases: &History,
        wish: Option<Event>,
    ) -> Result<Status, CliError> {
        let Some(step) = self.ledger.last_step(&revision.rollout).await? else {
            return self.never_began(revision).await;
        };
        if let Some(release) = releases.releases.get(&revision.release) {
            let prepared = self.backend.prepare(release, &revision.rollout).await;
            if let Err(error) = prepared {
                return Err(self.unlocked(error.into()).await);
            }
        }
        let progress = Progress::new(self.printer, &self.region, &step.rollout.id);
        self.run(step, wish, revision, progress).await
    }

    async fn run(
        mut self,
        step: Step,
        wish: Option<Event>,
        revision: &Revision,
        mut progress: Progress<'_>,
    ) -> Result<Status, CliError> {
        let ending = match self.ledger.steps(&revision.rollout).await {
            Ok(history) => self.drive(&mut progress).run(step, wish, &history).await,
            Err(error) => Err(error.into()),
        };
        progress.finish();
        let concluded = match ending {
            Ok(Ending::Outcome(outcome)) => self.conclude(&outcome, revision).await,
            Ok(Ending::Detached) => return self.detached(revision).await,
            Err(error) => Err(error),
        };
        match concluded {
            Ok(end) => Ok(verdict::print(&mut self, &end, revision).await),
            Err(error) => self.broken(error, revision).await,
        }
    }

    fn drive<'b>(&'b mut self, progress: &'b mut dyn crate::drive::Watcher) -> Drive<'b> {
        Drive {
            backend: &mut *self.backend,
            ledger: &mut *self.ledger,
            lock: &self.lock,
            interrupts: &self.interrupts,
            watcher: progress,
            die_after_step: self.die_after_step,
        }
    }

    /// Writes down how a rollout ended; whatever fails here is finished by the next `resume`.
    async fn conclude(
        &mut self,
        outcome: &Outcome,
        revision: &Revision,
    ) -> Result<End, DriveError> {
        let status = match outcome {
            Outcome::Done => RevisionStatus::Deployed,
            Outcome::RolledBack => RevisionStatus::RolledBack,
            Outcome::RollbackFailed => RevisionStatus::RollbackFailed,
            Outcome::LeftAsIs => RevisionStatus::LeftAsIs,
            Outcome::Paused { .. } => RevisionStatus::Running,
        };
        let steps = self.ledger.steps(&revision.rollout).await?;
        let rules = match outcome {
            Outcome::Done => self.publish_rules(revision.release).await,
            _ => Ok(None),
        };
        // Publishing may have taken longer than a lock lives without a sign of life.
        self.ledger.beat(&self.lock).await?;
        let now = self.backend.now();
        if outcome.is_final() {
            let note = verdict::note(&steps, &rules);
            self.ledger.close_revision(revision.number, status, &note, now.0).await?;
            if status.is_good() {
                self.collect_garbage(now).await;
            }
        }
        self.ledger.release_lock(&self.lock).await?;
        Ok(End { outcome: outcome.clone(), steps, now, rules })
    }

    /// Gives new matches the rules of a release that serves, unless they have them.
    async fn publish_rules(&mut self, release: ReleaseId) -> Result<Option<u32>, CliError> {
        let history = self.ledger.history().await?;
        let Some(release) = history.releases.get(&release) else { return Ok(None) };
        let Some(rules) = rules::due(&mut *self.backend, release).await? else { return Ok(None) };
        Ok(Some(self.backend.publish_rules(&rules).await?))
    }

    /// What cannot be thrown away today is thrown away by the next deploy.
    async fn collect_garbage(&mut self, now: Timestamp) {
        if let Err(error) = self.collect(now).await {
            let what = error.chain().join(": ");
            self.printer.say(&format!("old instances and programs were not all removed: {what}"));
        }
    }

    /// What can be thrown away is decided by the release that now runs.
    async fn collect(&mut self, now: Timestamp) -> Result<(), CliError> {
        let history = self.ledger.history().await?;
        let Some(current) = history.current() else { return Ok(()) };
        let deploy = &current.spec.deploy;
        let before = Timestamp(now.0.saturating_sub(deploy.rollback_window.as_ms()));
        self.backend.remove_stopped(before).await?;
        let units = self.backend.units().await?;
        let carried: BTreeSet<ReleaseId> = units.iter().map(|unit| unit.release).collect();
        let kept = history.kept(deploy.keep_releases, &carried);
        self.backend.remove_programs(&kept, &history.releases).await?;
        Ok(self.ledger.forget(&kept).await?)
    }

    async fn detached(self, revision: &Revision) -> Result<Status, CliError> {
        self.ledger.release_lock(&self.lock).await?;
        let resume = format!("arenactl resume --region {}", self.region);
        let details = serde_json::json!({
            "run": revision.rollout, "region": self.region, "release": revision.release, "next": resume,
        });
        let text = format!(
            "detached: {} goes on where it stands with `{resume}`, or back with `arenactl abort`",
            revision.rollout
        );
        self.printer.verdict(Status::Interrupted, &details, &text);
        Ok(Status::Interrupted)
    }

    /// The journal stands; what failed may work when it is tried again.
    async fn broken(self, error: DriveError, revision: &Revision) -> Result<Status, CliError> {
        let DriveError::Lock(LockError::Lost) = error else {
            // The failure that is about to be told is the one that matters.
            let _ = self.ledger.release_lock(&self.lock).await;
            let help = match &error {
                DriveError::Perform { source, .. } | DriveError::Look { source } => source.help(),
                DriveError::Lock(LockError::Ledger(error)) => error.help(),
                DriveError::Lock(_) => String::new(),
            };
            let status = match &error {
                DriveError::Perform {
                    source: BackendError::Swarm(SwarmError::Drift { .. }),
                    ..
                }
                | DriveError::Look { source: BackendError::Swarm(SwarmError::Drift { .. }) } => {
                    Status::Conflict
                }
                _ => Status::LeftAsIs,
            };
            let resume = format!("then go on with `arenactl resume --region {}`", self.region);
            let failure = CliError::new(status, error);
            let failure = if help.is_empty() { failure } else { failure.with_help(help) };
            return Err(failure.with_help(resume).with_help(format!(
                "or take it back with `arenactl abort --region {}` ({})",
                self.region, revision.rollout
            )));
        };
        Err(LockError::Lost.into())
    }

    /// Killed between the revision and its first step: nothing was done, so nothing is left to do.
    async fn never_began(self, revision: &Revision) -> Result<Status, CliError> {
        let now = self.backend.now();
        let status = RevisionStatus::RolledBack;
        self.ledger.close_revision(revision.number, status, "it never began", now.0).await?;
        self.ledger.release_lock(&self.lock).await?;
        let text = "the rollout never began: nothing was changed, deploy again";
        self.printer.verdict(Status::RolledBack, &serde_json::json!({}), text);
        Ok(Status::RolledBack)
    }
}

/// How a rollout ended, for the verdict.
struct End {
    outcome: Outcome,
    steps: Vec<Step>,
    now: Timestamp,
    /// The version of the rules that were published, if any were to be.
    rules: Result<Option<u32>, CliError>,
}

fn revision(plan: &Plan, intent: &Intent, at: Timestamp) -> Revision {
    let mut strategies: Vec<String> =
        plan.stages.iter().map(|stage| crate::journal::word(&stage.strategy)).collect();
    strategies.sort();
    strategies.dedup();
    Revision {
        number: intent.revision,
        release: plan.to,
        rollout: plan.rollout.0.clone(),
        kind: intent.kind,
        strategy: strategies.join(", "),
        who: intent.who.clone(),
        why: intent.why.clone(),
        started_ms: at.0,
        ended_ms: None,
        status: RevisionStatus::Running,
        note: String::new(),
    }
}
