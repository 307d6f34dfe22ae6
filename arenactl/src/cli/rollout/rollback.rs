//! `arenactl rollback`: an older release, with its programs, settings and secrets.

use arena_types::ReleaseId;
use clap::Args;

use crate::cli::Context;
use crate::cli::rollout::draft;
use crate::cli::rollout::session::{self, Agreed};
use crate::cli::rollout::settle::settled;
use crate::error::{CliError, Status};
use crate::history::RevisionKind;

/// Go back to an older release, with its programs, settings and secrets.
///
/// Without `--to`: the newest good release that was first deployed before the current one. A second rollback
/// therefore goes further back; it never toggles.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The release to go back to.
    #[arg(long, value_name = "RELEASE")]
    to: Option<ReleaseId>,
    /// Does not ask.
    #[arg(long, short = 'y')]
    yes: bool,
    /// Why, for the history.
    #[arg(long, short = 'm', value_name = "TEXT", default_value = "")]
    message: String,
}

impl Rollback {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            session::refuse_if_busy(&mut place, "rollback").await?;
            let target = place.history.rollback_target(self.to).cloned().map_err(|error| {
                CliError::new(Status::InvalidInput, error).with_help(error.help())
            })?;
            let draft = settled(context, &mut place, async |place| {
                draft::planned(place, target.clone()).await
            })
            .await?;
            if draft.plan.is_empty() {
                let text = format!("nothing to do: {} runs {}", place.region, draft.release.id);
                let details = serde_json::json!({"release": draft.release.id});
                context.printer.verdict(Status::Done, &details, &text);
                return Ok(Status::Done);
            }
            let text = arenactl_planning::plan::text(&draft.plan);
            session::confirm(context, &place, Agreed::of(self.yes), &text)?;
            let kind = RevisionKind::Rollback;
            session::carry_out(context, &mut place, draft, kind, &self.message).await
        })
    }
}
