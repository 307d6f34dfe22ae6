//! `arenactl exec`: becomes an instance's program, tied to its supervisor.

use std::ffi::OsString;

use clap::Args;

use crate::error::{CliError, Status};
use crate::supervisor;

/// Become a program that gets SIGTERM when its supervisor dies.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// Pid of the supervisor.
    supervisor: u32,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

impl Exec {
    pub(crate) fn run(self) -> CliError {
        CliError::new(Status::PreflightFailed, supervisor::exec(self.supervisor, &self.program))
    }
}
