//! `arenactl doctor`: is this machine, and this region, fit for a deploy?

mod check;
mod checks;
mod judge;

use std::time::SystemTime;

use arena_types::Region;
use arenactl_planning::spec::{Backend, Spec};
use clap::Args;
use serde_json::json;

use crate::backend::survey::GpuLook;
use crate::cli::{Context, context::Place};
use crate::error::{CliError, Status};
use crate::print::Style;
use check::{Check, failure};
use judge::Case;

/// Check this machine and the region; each failed check says what fixes it (exit 4).
///
/// In a swarm every node is looked at from within: a job of arenactl's own image runs on each and ends within
/// seconds. Nothing else is started, and nothing is changed.
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

impl Doctor {
    pub(crate) fn run(context: &Context) -> Result<Status, CliError> {
        let spec = context.spec()?;
        let region = context.region(&spec)?;
        let checks = Context::block_on(look(context, &spec, &region))?;
        let failed_count = checks.iter().filter(|check| check.failure.is_some()).count();
        let values: Vec<_> = checks.iter().map(value).collect();
        let value = json!({"region": region, "failed": failed_count, "checks": values});
        context.printer.data(&value, || checks.iter().map(|check| line(context, check)).collect());
        Ok(if failed_count == 0 { Status::Done } else { Status::PreflightFailed })
    }
}

async fn look(context: &Context, spec: &Spec, region: &Region) -> Result<Vec<Check>, CliError> {
    let described = spec.regions.get(region).filter(|_| context.global.backend.is_none());
    let swarm = described.filter(|it| it.backend == Backend::Swarm);
    let mut place = match context.place(spec, region).await {
        // Nothing else can be told of a cluster that is not reached.
        Err(error) if swarm.is_some() => return Ok(vec![unreached(&error)]),
        place => place?,
    };
    let gpus = gpu_look(&mut place, spec).await;
    let mut checks = match (swarm, place.backend.survey(spec, gpus).await?) {
        (Some(described), Some(survey)) => judge::judge(&Case {
            survey: &survey,
            spec,
            name: region.as_str(),
            region: described,
            now: SystemTime::now(),
        }),
        _ => checks::machine(context, &mut place, spec).await,
    };
    checks.extend(checks::region(&mut place).await);
    Ok(checks)
}

fn unreached(error: &CliError) -> Check {
    let help = match error.help() {
        [] => "check `regions.<region>.endpoint`".to_owned(),
        help => help.join("; "),
    };
    Check::new("manager", Err(failure(error.chain().join(": "), help)))
}

/// A GPU that is held for a second could be the one that a deploy counts on.
async fn gpu_look(place: &mut Place, spec: &Spec) -> GpuLook {
    let is_asked_for = spec.services.values().any(|service| service.resources.gpus > 0);
    let is_free = matches!(place.ledger.lock_view().await, Ok(None));
    if is_asked_for && is_free && place.history.open().is_none() {
        GpuLook::Hold
    } else {
        GpuLook::Leave
    }
}

fn value(check: &Check) -> serde_json::Value {
    let failure = check.failure.as_ref();
    json!({
        "check": check.name,
        "passed": failure.is_none(),
        "found": failure.map_or(&check.found, |failure| &failure.what),
        "help": failure.map(|failure| &failure.help),
        "note": check.note,
    })
}

fn line(context: &Context, check: &Check) -> String {
    let paint = |style, word| context.printer.paint(style, word);
    let line = match &check.failure {
        None => format!("{} {}: {}\n", paint(Style::Good, "PASSED"), check.name, check.found),
        Some(failure) => format!(
            "{} {}: {}\n       help: {}\n",
            paint(Style::Bad, "FAILED"),
            check.name,
            failure.what,
            failure.help
        ),
    };
    match &check.note {
        None => line,
        Some(note) => format!("{line}       {}: {note}\n", paint(Style::Warn, "note")),
    }
}
