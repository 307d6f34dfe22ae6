//! `arenactl down`: take a region down, players first, data last.
//!
//! Its revision is written before the first effect and closed after the last. Every effect may be repeated, so
//! `resume` or another `down` finishes one that was killed.

use std::collections::BTreeMap;
use std::time::Duration;

use arena_types::contract::{AtDeadline, DrainMode};
use arena_types::{InstanceId, ReleaseId, ServiceName};
use arenactl_planning::observed::UnitState;
use arenactl_planning::rollout::Effect;
use arenactl_planning::spec::Spec;
use arenactl_planning::units::Span;
use clap::Args;
use serde_json::json;
use tokio::time::Instant;

use crate::backend::Unit;
use crate::cli::rollout::session;
use crate::cli::{Context, context::Place};
use crate::error::{CliError, Status};
use crate::history::{Revision, RevisionKind, RevisionStatus};
use crate::interrupt::Interrupts;
use crate::lock::{Holder, Lock};

/// After a drain's deadline an instance gets this long to exit.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// How long players may finish what they play if nobody says otherwise.
const DEADLINE_DEFAULT: Span = Span::from_ms(30_000);

/// Take a region down: drains and stops every instance; data and history stay.
///
/// Interrupted or killed, it is finished by `resume` or by another `down`.
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Does not ask.
    #[arg(long, short = 'y')]
    yes: bool,
    /// Stops at once: sessions are dropped.
    #[arg(long)]
    now: bool,
    /// How long players may finish what they play.
    #[arg(long, value_name = "SPAN", default_value_t = DEADLINE_DEFAULT, conflicts_with = "now")]
    deadline: Span,
}

impl Down {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            let count = running(&mut place).await?.len();
            if count == 0 && place.history.open().is_none() {
                return Ok(done(context, &place, 0));
            }
            let text = format!("stop {count} instances of {}", place.region);
            session::confirm(context, &place, session::Agreed::of(self.yes), &text)?;
            self.act(context, &mut place).await
        })
    }

    /// Finishes a `down` that was interrupted or killed.
    pub(in crate::cli) async fn resume(
        context: &Context,
        place: &mut Place,
    ) -> Result<Status, CliError> {
        Self { yes: true, now: false, deadline: DEADLINE_DEFAULT }.act(context, place).await
    }

    async fn act(&self, context: &Context, place: &mut Place) -> Result<Status, CliError> {
        let interrupts = Interrupts::listen().map_err(|error| CliError::new(Status::Bug, error))?;
        let lock = session::lock(place, "down").await?;
        let mut descent = Descent { context, place, lock, interrupts };
        let ended = descent.go(self).await;
        let Descent { place, lock, .. } = descent;
        place.ledger.release_lock(&lock).await?;
        match ended? {
            Descended::Down(count) => Ok(done(context, place, count)),
            Descended::Interrupted => Ok(interrupted(context, place)),
        }
    }
}

/// How a descent ended, unless it failed.
enum Descended {
    /// Nothing runs any more; this many were stopped.
    Down(usize),
    /// Ctrl-C.
    Interrupted,
}

/// A locked region on its way down.
struct Descent<'a> {
    context: &'a Context,
    place: &'a mut Place,
    lock: Lock,
    interrupts: Interrupts,
}

impl Descent<'_> {
    async fn go(&mut self, down: &Down) -> Result<Descended, CliError> {
        let revision = self.begin().await?;
        let units = running(self.place).await?;
        if !self.wind_down(down, revision.as_ref(), &units).await? {
            return Ok(Descended::Interrupted);
        }
        if let Some(revision) = revision {
            let (number, now) = (revision.number, self.place.backend.now().0);
            self.place.ledger.close_revision(number, RevisionStatus::Down, "", now).await?;
        }
        self.place.backend.close().await?;
        Ok(Descended::Down(units.len()))
    }

    /// Writes the revision first; one that is open is gone on with. `None` if there is no release to name: what
    /// runs here was started by a history that is lost.
    async fn begin(&mut self) -> Result<Option<Revision>, CliError> {
        let history = &self.place.history;
        let open = history.open().cloned();
        if open.as_ref().is_some_and(|it| it.kind == RevisionKind::Down) {
            return Ok(open);
        }
        let served = history.current().map(|release| release.id);
        let last = served.or_else(|| history.revisions.last().map(|it| it.release));
        let number = history.next_revision();
        let now = self.place.backend.now().0;
        if let Some(open) = open {
            let (status, note) = (RevisionStatus::LeftAsIs, "taken down before it was over");
            self.place.ledger.close_revision(open.number, status, note, now).await?;
        }
        let Some(release) = last else { return Ok(None) };
        let revision = revision(number, release, now);
        let Some(release) = self.place.history.releases.get(&release) else { return Ok(None) };
        self.place.ledger.open_revision(&revision, release).await?;
        Ok(Some(revision))
    }

    /// Services go in the opposite order of their dependencies, those of one rank together. Says whether it came
    /// to its end.
    async fn wind_down(
        &mut self,
        down: &Down,
        revision: Option<&Revision>,
        units: &[Unit],
    ) -> Result<bool, CliError> {
        let release = revision.and_then(|it| self.place.history.releases.get(&it.release));
        let ranks = release.map(|release| ranks(&release.spec)).unwrap_or_default();
        let rank = |unit: &Unit| ranks.get(&unit.service).copied().unwrap_or(0);
        let highest = units.iter().map(rank).max().unwrap_or(0);
        for current in (0..=highest).rev() {
            let wave: Vec<&Unit> = units.iter().filter(|unit| rank(unit) == current).collect();
            let is_drained = down.now || self.drain(down.deadline, &wave).await?;
            if !is_drained || !self.stop(down, &wave).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn drain(&mut self, deadline: Span, wave: &[&Unit]) -> Result<bool, CliError> {
        for unit in wave {
            let effect = Effect::Drain {
                service: unit.service.clone(),
                instance: unit.instance.clone(),
                deadline,
                mode: DrainMode::Wait,
                at_deadline: AtDeadline::End,
            };
            self.perform(&effect).await?;
        }
        let is_over =
            |state| matches!(state, UnitState::Empty | UnitState::Stopped | UnitState::Failed);
        // What is left at the deadline is ended by the instance itself; this only stops waiting.
        let waited = self.wait("empty", wave, deadline.as_duration(), is_over).await?;
        Ok(waited != Waited::Interrupted)
    }

    async fn stop(&mut self, down: &Down, wave: &[&Unit]) -> Result<bool, CliError> {
        for unit in wave {
            let effect = Effect::Stop {
                service: unit.service.clone(),
                instance: unit.instance.clone(),
                release: unit.release,
                keep_for: None,
            };
            if down.now {
                self.kill(&unit.instance).await?;
            } else {
                self.perform(&effect).await?;
            }
        }
        let is_over = |state| state == UnitState::Stopped;
        match self.wait("stopped", wave, STOP_TIMEOUT, is_over).await? {
            Waited::Over => return Ok(true),
            Waited::Interrupted => return Ok(false),
            Waited::TooLong => {}
        }
        for unit in wave {
            self.kill(&unit.instance).await?;
        }
        match self.wait("killed", wave, STOP_TIMEOUT, is_over).await? {
            Waited::Over => Ok(true),
            Waited::Interrupted => Ok(false),
            Waited::TooLong => Err(self.stuck()),
        }
    }

    fn stuck(&self) -> CliError {
        let region = &self.place.region;
        CliError::new(Status::LeftAsIs, "some instances do not stop")
            .with_help(format!("see which: `arenactl status --region {region}`"))
            .with_help(format!("at once: `arenactl down --now --yes --region {region}`"))
    }

    async fn perform(&mut self, effect: &Effect) -> Result<(), CliError> {
        self.place.ledger.beat(&self.lock).await?; // The fence: nobody else may have taken over.
        self.place.backend.perform(effect).await?;
        self.tell(effect.unit(), &effect.to_string());
        Ok(())
    }

    async fn kill(&mut self, instance: &InstanceId) -> Result<(), CliError> {
        self.place.ledger.beat(&self.lock).await?;
        self.place.backend.kill(instance).await?;
        self.tell(Some(instance), &format!("stop {instance} at once"));
        Ok(())
    }

    /// Waits until all of a wave are there, and tells what is waited for whenever that changes.
    async fn wait(
        &mut self,
        what: &str,
        wave: &[&Unit],
        limit: Duration,
        is_over: impl Fn(UnitState) -> bool,
    ) -> Result<Waited, CliError> {
        let began = Instant::now();
        let names: Vec<&InstanceId> = wave.iter().map(|unit| &unit.instance).collect();
        let mut told = String::new();
        loop {
            let units = self.place.backend.units().await?;
            let own = units.iter().filter(|unit| names.contains(&&unit.instance));
            let left: Vec<&Unit> = own.filter(|unit| !is_over(unit.state)).collect();
            let Some(first) = left.first() else { return Ok(Waited::Over) };
            if self.interrupts.count() > 0 {
                return Ok(Waited::Interrupted);
            }
            if began.elapsed() > limit {
                return Ok(Waited::TooLong);
            }
            let text = waiting(what, first, left.len() - 1);
            if text != told {
                self.tell(None, &text);
                told = text;
            }
            self.place.ledger.beat(&self.lock).await?;
            self.place.backend.rest(None).await;
        }
    }

    fn tell(&self, unit: Option<&InstanceId>, text: &str) {
        session::tell(self.context, self.place, "down", unit, text);
    }
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    Over,
    TooLong,
    Interrupted,
}

fn waiting(what: &str, unit: &Unit, more: usize) -> String {
    let note = if unit.note.is_empty() { String::new() } else { format!(": {}", unit.note) };
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("waiting: {} to be {what}{note}{more}", unit.instance)
}

async fn running(place: &mut Place) -> Result<Vec<Unit>, CliError> {
    let mut units = place.backend.units().await?;
    units.retain(|unit| unit.state != UnitState::Stopped);
    Ok(units)
}

/// Returns how deep each service is: 0 needs nobody. O(services²), and cycles were refused before.
fn ranks(spec: &Spec) -> BTreeMap<ServiceName, usize> {
    let mut ranks: BTreeMap<ServiceName, usize> =
        spec.services.keys().map(|name| (name.clone(), 0)).collect();
    for _ in 0..spec.services.len() {
        for (name, service) in &spec.services {
            let below = service.after.iter().filter_map(|it| ranks.get(it)).max();
            let rank = below.map_or(0, |below| below + 1);
            ranks.insert(name.clone(), rank);
        }
    }
    ranks
}

/// The history says that the region is down, so that the next deploy starts from nothing.
fn revision(number: u32, release: ReleaseId, now_ms: u64) -> Revision {
    Revision {
        number,
        release,
        rollout: format!("down-{number}"),
        kind: RevisionKind::Down,
        strategy: String::new(),
        who: Holder::own("down").who,
        why: String::new(),
        started_ms: now_ms,
        ended_ms: None,
        status: RevisionStatus::Running,
        note: String::new(),
    }
}

fn done(context: &Context, place: &Place, count: usize) -> Status {
    let details = json!({"region": place.region, "stopped": count});
    let text = match count {
        0 => format!("nothing runs in {}", place.region),
        count => format!("{} is down: {count} instances stopped", place.region),
    };
    context.printer.verdict(Status::Done, &details, &text);
    Status::Done
}

fn interrupted(context: &Context, place: &Place) -> Status {
    let resume = format!("arenactl resume --region {}", place.region);
    let details = json!({"region": place.region, "next": resume});
    let text = format!("interrupted: a part of {} still runs, `{resume}` finishes", place.region);
    context.printer.verdict(Status::Interrupted, &details, &text);
    Status::Interrupted
}
