//! `arenactl resume`: go on with a paused or interrupted rollout.

use arenactl_planning::rollout::Event;
use clap::Args;

use crate::cli::Context;
use crate::cli::region::down::Down;
use crate::cli::rollout::session;
use crate::error::{CliError, Status};
use crate::history::RevisionKind;
use crate::journal::Steering;

/// Go on with what was paused, interrupted or killed: a rollout from its last journalled step, a `down`, rules
/// that could not be published.
#[derive(Debug, Args)]
pub(crate) struct Resume {}

impl Resume {
    pub(crate) fn run(context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            if place.history.open().is_none()
                && let Some(status) =
                    session::publish_due_rules(context, &mut place, "resume").await?
            {
                return Ok(status);
            }
            let open = session::open_revision(&place)?;
            if open.kind == RevisionKind::Down {
                return Down::resume(context, &mut place).await;
            }
            let last = place.ledger.last_step(&open.rollout).await?;
            let is_paused =
                last.is_some_and(|step| step.rollout.outcome().is_some_and(|it| !it.is_final()));
            if is_paused {
                return session::steer(context, Steering::Resume).await;
            }
            let lock = session::lock(&mut place, "resume").await?;
            let wish: Option<Event> = None;
            session::go_on(context, &mut place, lock, wish).await
        })
    }
}
