//! `arenactl doctor`: is this machine, and this region, fit for a deploy?

mod checks;

use clap::Args;
use serde_json::json;

use crate::cli::Context;
use crate::error::{CliError, Status};
use crate::print::Style;
use checks::Check;

/// Check this machine and the region; each failed check says what fixes it (exit 4).
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

impl Doctor {
    pub(crate) fn run(context: &Context) -> Result<Status, CliError> {
        let spec = context.spec()?;
        let region = context.region(&spec)?;
        let checks = Context::block_on(checks::all(context, &spec, &region))?;
        let failed_count = checks.iter().filter(|check| check.failure.is_some()).count();
        let values: Vec<_> = checks.iter().map(value).collect();
        let value = json!({"region": region, "failed": failed_count, "checks": values});
        context.printer.data(&value, || checks.iter().map(|check| line(context, check)).collect());
        Ok(if failed_count == 0 { Status::Done } else { Status::PreflightFailed })
    }
}

fn value(check: &Check) -> serde_json::Value {
    let failure = check.failure.as_ref();
    json!({
        "check": check.name,
        "passed": failure.is_none(),
        "found": failure.map_or(&check.found, |failure| &failure.what),
        "help": failure.map(|failure| &failure.help),
    })
}

fn line(context: &Context, check: &Check) -> String {
    let paint = |style, word| context.printer.paint(style, word);
    match &check.failure {
        None => format!("{} {}: {}\n", paint(Style::Good, "PASSED"), check.name, check.found),
        Some(failure) => format!(
            "{} {}: {}\n       help: {}\n",
            paint(Style::Bad, "FAILED"),
            check.name,
            failure.what,
            failure.help
        ),
    }
}
