//! `arenactl init`: a commented spec to begin with.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Context;
use crate::durable::{self, Access};
use crate::error::{CliError, Status};

/// Write a commented arena.yaml to begin with.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Prints it instead of writing a file.
    #[arg(long)]
    print: bool,
    /// Replaces an existing file.
    #[arg(long, conflicts_with = "print")]
    force: bool,
}

impl Init {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        let text = arenactl_planning::spec::REFERENCE;
        if self.print {
            context.printer.verbatim(text);
            return Ok(Status::Done);
        }
        let path: PathBuf = context.global.file.clone();
        if path.exists() && !self.force {
            let what = format!("`{}` exists", path.display());
            return Err(CliError::new(Status::InvalidInput, what)
                .with_help("replace it with `--force`, or see a fresh one with `--print`"));
        }
        durable::write(&path, text.as_bytes(), Access::Everyone)?;
        context.printer.say(&format!("wrote {}; next: `arenactl plan --file {0}`", path.display()));
        Ok(Status::Done)
    }
}
