//! `arenactl certs`: the cluster's authority and the certificates it issued.

use std::path::Path;
use std::time::SystemTime;

use arena_mesh::Material;
use arenactl_planning::observed::UnitState;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::{Context, context::Place};
use crate::error::{CliError, Status};
use crate::supervisor::Authority;
use crate::{lock, print};

/// Show the certificates of a region, or issue one for an operator.
///
/// Instances get theirs from their supervisors, and a new one at half life, without a restart.
#[derive(Debug, Args)]
pub(crate) struct Certs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the certificates of all instances that run.
    List,
    /// Issues a certificate for a person or a tool, for a day.
    Issue {
        /// Folder to write cert.pem, key.pem and roots.pem into.
        folder: std::path::PathBuf,
        /// Name of the operator; the user's name if left out.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

impl Certs {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            match self.action {
                None | Some(Action::List) => list(context, &mut place).await,
                Some(Action::Issue { folder, name }) => {
                    let name = name.unwrap_or_else(lock::user);
                    issue(context, &place, &folder, &name)
                }
            }
        })
    }
}

async fn list(context: &Context, place: &mut Place) -> Result<Status, CliError> {
    let mut values = Vec::new();
    let mut rows = vec![["INSTANCE", "IDENTITY", "HOURS LEFT"].map(str::to_owned).to_vec()];
    for unit in place.backend.units().await? {
        if unit.state == UnitState::Stopped {
            continue;
        }
        let folder = place.folder.instance(unit.instance.as_str()).join("identity");
        let Ok(material) = Material::load(&folder) else { continue };
        let left = material.not_after().duration_since(SystemTime::now()).unwrap_or_default();
        let hours = left.as_secs() / 3_600;
        rows.push(vec![unit.instance.to_string(), material.id().to_string(), hours.to_string()]);
        values.push(json!({
            "instance": unit.instance, "id": material.id().as_str(), "seconds_left": left.as_secs(),
        }));
    }
    let authority = place.folder.authority();
    context.printer.data(&json!({"authority": authority, "certificates": values}), || {
        let state = if authority.exists() { "" } else { " (made by the first deploy)" };
        format!("authority: {}{state}\n{}", authority.display(), print::table(&rows))
    });
    Ok(Status::Done)
}

fn issue(context: &Context, place: &Place, folder: &Path, name: &str) -> Result<Status, CliError> {
    let failed = |error| CliError::new(Status::PreflightFailed, error);
    let authority =
        Authority::ensure(place.cluster.as_str(), &place.folder.authority()).map_err(failed)?;
    let uri = format!("spiffe://{}/operator/{name}", place.cluster);
    authority.issue(&uri, folder).map_err(failed)?;
    let value = json!({"id": uri, "folder": folder});
    context.printer.data(&value, || format!("{uri} in {}\n", folder.display()));
    Ok(Status::Done)
}
