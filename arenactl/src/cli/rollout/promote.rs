//! `arenactl promote`: go on, whatever the rollout waits for.

use clap::Args;

use crate::cli::Context;
use crate::cli::rollout::session;
use crate::error::{CliError, Status};
use crate::journal::Steering;

/// Go on with a rollout, whatever it waits for.
///
/// Works from any terminal: the arenactl that drives the rollout is told; if none does, this one takes over.
#[derive(Debug, Args)]
pub(crate) struct Promote {}

impl Promote {
    pub(crate) fn run(context: &Context) -> Result<Status, CliError> {
        Context::block_on(session::steer(context, Steering::Promote))
    }
}
