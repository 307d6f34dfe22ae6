//! `arenactl plan`: what a deploy would do, decided in full.

use clap::Args;

use crate::artifacts::Remember;
use crate::cli::Context;
use crate::cli::rollout::{draft, session};
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
        let (draft, are_rules_due) = Context::block_on(async {
            let mut place = context.place(&spec, &region).await?;
            let draft = draft::draft(context, &mut place, &spec, "", Remember::Nothing).await?;
            let are_rules_due = session::has_due_rules(&mut place).await?;
            Ok((draft, are_rules_due))
        })?;
        context.printer.data(&draft.plan, || arenactl_planning::plan::text(&draft.plan));
        if are_rules_due {
            let text =
                "the rules of the running release are not in force yet: a deploy publishes them";
            context.printer.say(text);
        }
        let is_empty = draft.plan.is_empty() && !are_rules_due;
        if is_empty || self.exit_zero {
            return Ok(Status::Done);
        }
        Ok(Status::ChangesPending)
    }
}
