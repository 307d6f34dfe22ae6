//! `arenactl schema`: what editors and pipelines check arena.yaml against.

use clap::Args;

use crate::cli::Context;
use crate::error::{CliError, Status};

/// Print the JSON Schema of arena.yaml.
#[derive(Debug, Args)]
pub(crate) struct Schema {}

impl Schema {
    pub(crate) fn run(context: &Context) -> Result<Status, CliError> {
        let schema = arenactl_planning::spec::schema();
        let mut text = serde_json::to_string_pretty(&schema)
            .map_err(|error| CliError::new(Status::Bug, error))?;
        text.push('\n');
        context.printer.verbatim(&text);
        Ok(Status::Done)
    }
}
