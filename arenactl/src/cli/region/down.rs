//! `arenactl down`: take a region down, players first, data last.

use std::collections::BTreeMap;
use std::time::Duration;

use arena_types::contract::{AtDeadline, DrainMode};
use arena_types::{InstanceId, ServiceName};
use arenactl_planning::observed::UnitState;
use arenactl_planning::rollout::Effect;
use arenactl_planning::spec::Spec;
use arenactl_planning::units::Span;
use clap::Args;
use tokio::time::Instant;

use crate::backend::Unit;
use crate::cli::rollout::session;
use crate::cli::{Context, context::Place};
use crate::error::{CliError, Status};
use crate::history::{Revision, RevisionKind, RevisionStatus};
use crate::lock::{Holder, Lock};

/// After a drain's deadline an instance gets this long to exit.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Take a region down: drains and stops every instance; data and history stay.
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Does not ask.
    #[arg(long, short = 'y')]
    yes: bool,
    /// Stops at once: sessions are dropped.
    #[arg(long)]
    now: bool,
    /// How long players may finish what they play.
    #[arg(long, value_name = "SPAN", default_value = "30s", conflicts_with = "now")]
    deadline: Span,
}

impl Down {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            let running = running(&mut place).await?;
            if running.is_empty() {
                return Ok(done(context, &place, 0));
            }
            let text = format!("stop {} instances of {}", running.len(), place.region);
            session::confirm(context, &place, session::Agreed::of(self.yes), &text)?;
            let lock = session::lock(&mut place, "down").await?;
            let outcome = self.wind_down(&mut place, &lock, &running).await;
            if outcome.is_ok() {
                record(&mut place).await?;
            }
            place.ledger.release_lock(&lock).await?;
            outcome.map(|()| done(context, &place, running.len()))
        })
    }

    /// Services go in the opposite order of their dependencies, those of one rank together.
    async fn wind_down(
        &self,
        place: &mut Place,
        lock: &Lock,
        units: &[Unit],
    ) -> Result<(), CliError> {
        let ranks = place.history.current().map(|release| ranks(&release.spec)).unwrap_or_default();
        let rank = |unit: &Unit| ranks.get(&unit.service).copied().unwrap_or(0);
        let highest = units.iter().map(rank).max().unwrap_or(0);
        for current in (0..=highest).rev() {
            let wave: Vec<&Unit> = units.iter().filter(|unit| rank(unit) == current).collect();
            if !self.now {
                self.drain(place, lock, &wave).await?;
            }
            self.stop(place, lock, &wave).await?;
        }
        Ok(())
    }

    async fn drain(&self, place: &mut Place, lock: &Lock, wave: &[&Unit]) -> Result<(), CliError> {
        for unit in wave {
            place.ledger.beat(lock).await?;
            let effect = Effect::Drain {
                service: unit.service.clone(),
                instance: unit.instance.clone(),
                deadline: self.deadline,
                mode: DrainMode::Wait,
                at_deadline: AtDeadline::End,
            };
            place.backend.perform(&effect).await?;
        }
        let is_over =
            |state| matches!(state, UnitState::Empty | UnitState::Stopped | UnitState::Failed);
        // What is left at the deadline is ended by the instance itself; this only stops waiting.
        wait(place, lock, wave, self.deadline.as_duration(), is_over).await?;
        Ok(())
    }

    async fn stop(&self, place: &mut Place, lock: &Lock, wave: &[&Unit]) -> Result<(), CliError> {
        for unit in wave {
            place.ledger.beat(lock).await?;
            let effect = Effect::Stop {
                service: unit.service.clone(),
                instance: unit.instance.clone(),
                release: unit.release,
                keep_for: None,
            };
            if self.now {
                place.backend.kill(&unit.instance).await?;
            } else {
                place.backend.perform(&effect).await?;
            }
        }
        let is_over = |state| state == UnitState::Stopped;
        if wait(place, lock, wave, STOP_TIMEOUT, is_over).await? {
            return Ok(());
        }
        for unit in wave {
            place.backend.kill(&unit.instance).await?;
        }
        if wait(place, lock, wave, STOP_TIMEOUT, is_over).await? {
            return Ok(());
        }
        Err(CliError::new(Status::LeftAsIs, "some instances do not stop")
            .with_help("see which: `arenactl status`; at once: `arenactl down --now --yes`"))
    }
}

/// Waits until all of a wave are there; says whether they are.
async fn wait(
    place: &mut Place,
    lock: &Lock,
    wave: &[&Unit],
    limit: Duration,
    is_over: impl Fn(UnitState) -> bool,
) -> Result<bool, CliError> {
    let began = Instant::now();
    let names: Vec<&InstanceId> = wave.iter().map(|unit| &unit.instance).collect();
    loop {
        let units = place.backend.units().await?;
        let mut left = units.iter().filter(|unit| names.contains(&&unit.instance));
        if left.all(|unit| is_over(unit.state)) {
            return Ok(true);
        }
        if began.elapsed() > limit {
            return Ok(false);
        }
        place.ledger.beat(lock).await?;
        place.backend.rest(None).await;
    }
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
async fn record(place: &mut Place) -> Result<(), CliError> {
    let Some(release) = place.history.current().cloned() else { return Ok(()) };
    let now = place.backend.now();
    let number = place.history.next_revision();
    let revision = Revision {
        number,
        release: release.id,
        rollout: format!("down-{number}"),
        kind: RevisionKind::Down,
        strategy: String::new(),
        who: Holder::own("down").who,
        why: String::new(),
        started_ms: now.0,
        ended_ms: None,
        status: RevisionStatus::Running,
        note: String::new(),
    };
    place.ledger.open_revision(&revision, &release).await?;
    let status = RevisionStatus::Down;
    Ok(place.ledger.close_revision(number, status, "", now.0).await?)
}

fn done(context: &Context, place: &Place, count: usize) -> Status {
    let details = serde_json::json!({"region": place.region, "stopped": count});
    let text = match count {
        0 => format!("nothing runs in {}", place.region),
        count => format!("{} is down: {count} instances stopped", place.region),
    };
    context.printer.verdict(Status::Done, &details, &text);
    Status::Done
}
