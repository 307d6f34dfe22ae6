//! `arenactl pause`: stop a rollout where it is, until told.

use clap::Args;

use crate::cli::Context;
use crate::cli::rollout::session;
use crate::error::{CliError, Status};
use crate::journal::Steering;

/// Stop a rollout where it is, until `resume`.
///
/// Works from any terminal: the arenactl that drives the rollout is told; if none does, this one takes over.
#[derive(Debug, Args)]
pub(crate) struct Pause {}

impl Pause {
    pub(crate) fn run(context: &Context) -> Result<Status, CliError> {
        Context::block_on(session::steer(context, Steering::Pause))
    }
}
