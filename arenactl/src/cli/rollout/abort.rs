//! `arenactl abort`: take a running or interrupted rollout back.

use clap::Args;

use crate::cli::Context;
use crate::cli::rollout::session;
use crate::error::{CliError, Status};
use crate::journal::Steering;

/// Take a rollout back: routes first, stops last; exit 10 once everything is as before.
///
/// Works from any terminal: the arenactl that drives the rollout is told; if none does, this one takes over.
#[derive(Debug, Args)]
pub(crate) struct Abort {
    /// Why, for the history.
    #[arg(long, short = 'm', value_name = "TEXT", default_value = "")]
    message: String,
}

impl Abort {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(session::steer(context, Steering::Abort { reason: self.message }))
    }
}
