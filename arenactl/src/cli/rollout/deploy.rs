//! `arenactl deploy`: make the region run what arena.yaml says.

use clap::Args;

use crate::artifacts::Remember;
use crate::cli::Context;
use crate::cli::rollout::draft::{self, Draft};
use crate::cli::rollout::session::{self, Agreed};
use crate::cli::rollout::settle::settled;
use crate::error::{CliError, Status};
use crate::history::RevisionKind;

/// Make the region run what arena.yaml says, without dropping a session.
///
/// Shows the plan and asks first on a terminal; elsewhere `--yes` is needed. Region `local` is deployed without
/// asking: nobody else is affected. If it fails everything is taken back (exit 10). With nothing to change it waits
/// until what runs is ready. Ctrl-C leaves the rollout where it stands and prints how to resume it; a second Ctrl-C
/// takes it back.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// Does not ask.
    #[arg(long, short = 'y')]
    yes: bool,
    /// Deploys only if the plan still has this digest, as `plan` printed it.
    #[arg(long, value_name = "DIGEST")]
    plan: Option<String>,
    /// Why, for the history.
    #[arg(long, short = 'm', value_name = "TEXT", default_value = "")]
    message: String,
}

impl Deploy {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        let spec = context.spec()?;
        let region = context.region(&spec)?;
        Context::block_on(async {
            let mut place = context.place(&spec, &region).await?;
            session::refuse_if_busy(&mut place, "deploy").await?;
            let draft = settled(context, &mut place, async |place| {
                let why = &self.message;
                let draft = draft::draft(context, place, &spec, why, Remember::Digests).await?;
                self.is_fresh(&draft).map(|()| draft)
            })
            .await?;
            if draft.plan.is_empty() {
                if let Some(status) =
                    session::publish_due_rules(context, &mut place, "deploy").await?
                {
                    return Ok(status);
                }
                return nothing_to_do(context, &mut place, &draft).await;
            }
            let text = arenactl_planning::plan::text(&draft.plan);
            session::confirm(context, &place, Agreed::of(self.yes), &text)?;
            let kind = RevisionKind::Deploy;
            session::carry_out(context, &mut place, draft, kind, &self.message).await
        })
    }

    fn is_fresh(&self, draft: &Draft) -> Result<(), CliError> {
        let Some(wanted) = &self.plan else { return Ok(()) };
        let digest = draft.plan.digest.to_string();
        if wanted.len() >= SHORT_DIGEST_LEN && digest.starts_with(wanted) {
            return Ok(());
        }
        let what = format!("the plan is stale: it now has digest {}", draft.plan.digest.short());
        Err(CliError::new(Status::Conflict, what)
            .with_help("look at it again: `arenactl plan`, and deploy with its digest"))
    }
}

/// Digits of a digest that `plan` prints.
const SHORT_DIGEST_LEN: usize = 12;

async fn nothing_to_do(
    context: &Context,
    place: &mut crate::cli::context::Place,
    draft: &Draft,
) -> Result<Status, CliError> {
    let url = crate::backend::public_url(&place.backend.units().await?);
    let from = draft.plan.from.map_or("nothing".to_owned(), |it| it.to_string());
    let details = serde_json::json!({
        "region": place.region, "release": draft.plan.from, "url": url, "note": "nothing to do",
    });
    let at = url.map(|url| format!("\n  play at {url}")).unwrap_or_default();
    let text = format!("nothing to do: {} runs {from} as arena.yaml says{at}", place.region);
    context.printer.verdict(Status::Done, &details, &text);
    Ok(Status::Done)
}
