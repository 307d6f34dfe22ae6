//! `arenactl completions`: a script for the shell.

use clap::Args;
use clap_complete::Shell;

use crate::cli::{Context, definition};
use crate::error::Status;

/// Print a completion script for a shell.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, context: &Context) -> Status {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut definition(), "arenactl", &mut script);
        context.printer.verbatim(&String::from_utf8_lossy(&script));
        Status::Done
    }
}
