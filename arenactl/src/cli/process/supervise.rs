//! `arenactl supervise`: the process beside an instance.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Context;
use crate::error::{CliError, Status};
use crate::supervisor;

/// Supervise the instance of a folder until it is stopped.
#[derive(Debug, Args)]
pub(crate) struct Supervise {
    /// The instance's folder.
    folder: PathBuf,
}

impl Supervise {
    pub(crate) fn run(self, _: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            supervisor::supervise(&self.folder)
                .await
                .map(|()| Status::Done)
                .map_err(|error| CliError::new(Status::PreflightFailed, error))
        })
    }
}
