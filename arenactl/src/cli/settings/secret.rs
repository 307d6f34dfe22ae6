//! `arenactl secret`: what a swarm keeps for instances; values are never shown.

use arena_types::ReleaseId;
use arenactl_planning::release::{Inputs, Origin, Release};
use arenactl_planning::units::Timestamp;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Context;
use crate::error::{CliError, Status};
use crate::print;

/// List the secrets and configs that a swarm keeps, or create those that a rendered stack expects.
///
/// `arenactl deploy` needs neither: it creates what a release names.
#[derive(Debug, Args)]
pub(crate) struct Secret {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists names; a new value is a new name.
    List,
    /// Creates what `docker stack deploy -c` of a rendered stack expects: secrets, configs, identities.
    ///
    /// What is there already stays: tasks that run use it.
    Push,
}

impl Secret {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        let spec = context.spec()?;
        let region = context.region(&spec)?;
        Context::block_on(async {
            let mut backend = context.swarm_backend(&spec, &region).await?;
            match self.action {
                Action::List => {
                    let files = backend.kept_files().await?;
                    let values: Vec<_> = files
                        .iter()
                        .map(|(name, kind)| json!({"name": name, "kind": kind}))
                        .collect();
                    context.printer.data(&json!({"files": values}), || {
                        let head = ["NAME", "KIND"].map(str::to_owned).to_vec();
                        let rows = files.iter().map(|it| vec![it.0.clone(), it.1.to_owned()]);
                        print::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
                    });
                }
                Action::Push => {
                    // As `render` does: what is rendered is a first release without digests.
                    let origin =
                        Origin { created: Timestamp(0), by: String::new(), why: String::new() };
                    let release = Release::draft(ReleaseId(1), spec, Inputs::default(), origin);
                    let files = backend.push_stack(&release).await?;
                    let created = files.iter().filter(|file| !file.was_there).count();
                    let text = format!("{created} created, {} were there", files.len() - created);
                    let details = json!({"files": files});
                    context.printer.verdict(Status::Done, &details, &text);
                }
            }
            Ok(Status::Done)
        })
    }
}
