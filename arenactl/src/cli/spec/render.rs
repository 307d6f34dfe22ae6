//! `arenactl render`: the files of other orchestrators.

use std::path::PathBuf;

use arena_types::ReleaseId;
use arenactl_planning::release::{Inputs, Origin, Release};
use arenactl_planning::render::{Rendered, committed, nomad, swarm};
use arenactl_planning::units::Timestamp;
use clap::Args;

use crate::cli::Context;
use crate::durable::{self, Access, FileError};
use crate::error::{CliError, Status};

/// Write the stack files of Docker Swarm and the job files of Nomad.
///
/// Without `--target`: all files that a repository keeps, below `--out`. With it: one environment's, printed
/// unless `--out` is given.
#[derive(Debug, Args)]
pub(crate) struct Render {
    /// One orchestrator.
    #[arg(long, value_enum)]
    target: Option<Orchestrator>,
    /// The folder to write into.
    #[arg(long, value_name = "DIR", required_unless_present = "target")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Orchestrator {
    Swarm,
    Nomad,
}

impl Render {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        for file in self.files(context)? {
            match &self.out {
                Some(folder) => {
                    let path = folder.join(&file.path);
                    durable::write(&path, file.text.as_bytes(), Access::Everyone)?;
                    context.printer.say(&format!("wrote {}", path.display()));
                }
                None => context.printer.verbatim(&file.text),
            }
        }
        Ok(Status::Done)
    }

    fn files(&self, context: &Context) -> Result<Vec<Rendered>, CliError> {
        let spec = context.spec()?;
        let Some(target) = self.target else {
            let path = context.global.file.clone();
            let text = std::fs::read_to_string(&path)
                .map_err(|source| FileError::Read { path, source })?;
            return committed(&text).map_err(|errors| context.mistakes(&errors));
        };
        // What is rendered is a first release: it has no digests yet, tags stand in for them.
        let origin = Origin { created: Timestamp(0), by: String::new(), why: String::new() };
        let release = Release::draft(ReleaseId(1), spec, Inputs::default(), origin);
        Ok(match target {
            Orchestrator::Swarm => vec![swarm(&release)],
            Orchestrator::Nomad => nomad(&release),
        })
    }
}
