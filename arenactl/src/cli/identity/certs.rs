//! `arenactl certs`: the cluster's authority and the certificates it issued.

use std::path::Path;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::backend::survey::Certificate;
use crate::cli::{Context, context::Place};
use crate::error::{CliError, Status};
use crate::{lock, print};

/// Seconds of a day.
const DAY_S: u64 = 86_400;

/// Show the certificates of a region, or issue one for an operator.
///
/// On this machine instances get theirs from their supervisors, and a new one at half life, without a restart.
/// In a swarm each is given one for a year when it is started; the authority's key stays there.
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
                    issue(context, &mut place, &folder, &name).await
                }
            }
        })
    }
}

async fn list(context: &Context, place: &mut Place) -> Result<Status, CliError> {
    let found = place.backend.certificates().await?;
    let mut values = Vec::new();
    let mut rows = vec![["INSTANCE", "IDENTITY", "LEFT"].map(str::to_owned).to_vec()];
    for Certificate { instance, id, not_after } in &found.list {
        let left_s = not_after.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
        let days_left = left_s / DAY_S;
        rows.push(vec![instance.to_string(), id.clone(), left(left_s)]);
        values.push(json!({
            "instance": instance, "id": id, "seconds_left": left_s, "days_left": days_left,
        }));
    }
    let value = json!({"authority": found.authority, "certificates": values});
    let text = || format!("authority: {}\n{}", found.authority, print::table(&rows));
    context.printer.data(&value, text);
    Ok(Status::Done)
}

/// Tells days, or hours on the last two.
fn left(left_s: u64) -> String {
    match left_s / DAY_S {
        0 | 1 => format!("{} hours", left_s / 3_600),
        days => format!("{days} days"),
    }
}

async fn issue(
    context: &Context,
    place: &mut Place,
    folder: &Path,
    name: &str,
) -> Result<Status, CliError> {
    let uri = format!("spiffe://{}/operator/{name}", place.cluster);
    place.backend.issue_certificate(&uri, folder).await?;
    let value = json!({"id": uri, "folder": folder});
    context.printer.data(&value, || format!("{uri} in {}\n", folder.display()));
    Ok(Status::Done)
}
