//! `arenactl plan`: what a deploy would do, decided in full.

use clap::Args;

use crate::cli::Context;
use crate::cli::rollout::draft;
use crate::error::{CliError, Status};

/// Show what a deploy would change, and how; exit 2 if there is something.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Exits with 0 also if there are changes.
    #[arg(long)]
    exit_zero: bool,
}

impl Plan {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        let spec = context.spec()?;
        let region = context.region(&spec)?;
        let draft = Context::block_on(async {
            let mut place = context.place(&spec, &region).await?;
            draft::draft(context, &mut place, &spec, "").await
        })?;
        context.printer.data(&draft.plan, || arenactl_planning::plan::text(&draft.plan));
        if draft.plan.is_empty() || self.exit_zero {
            return Ok(Status::Done);
        }
        Ok(Status::ChangesPending)
    }
}
