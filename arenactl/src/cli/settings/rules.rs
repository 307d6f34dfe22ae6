//! `arenactl rules`: versions of the game's rules in a running arena.

use std::path::PathBuf;

use arena_wire::config::v1::{
    ActivateRulesRequest, ListRulesRequest, PublishRulesRequest, ReadRulesRequest, RulesVersion,
};
use arenactl_planning::release::Release;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::config_client::{connect, refused};
use crate::cli::{Context, context::Place};
use crate::durable::FileError;
use crate::error::{CliError, Status};
use crate::{clock, lock, print};

/// List, show, publish or activate game rules; running matches keep the rules they began with.
#[derive(Debug, Args)]
pub(crate) struct Rules {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists all versions.
    List,
    /// Prints the rules of a version.
    Show {
        /// The version; the active one if left out.
        version: Option<u32>,
    },
    /// Stores a new version and makes it active.
    Publish {
        /// A JSON file with what differs from the standard rules.
        path: PathBuf,
        /// Stores it only.
        #[arg(long)]
        inactive: bool,
        /// Why, for the history.
        #[arg(long, short = 'm', value_name = "TEXT", default_value = "")]
        message: String,
    },
    /// Makes a stored version the one that new matches use.
    Activate {
        /// The version.
        version: u32,
    },
}

impl Rules {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            let mut client = connect(&mut place).await?;
            let by = lock::user();
            match self.action {
                Action::List => {
                    let list = client.list_rules(ListRulesRequest {}).await.map_err(refused)?;
                    show(context, &list.into_inner().versions);
                    return Ok(Status::Done);
                }
                Action::Show { version } => {
                    let request = ReadRulesRequest { version: version.unwrap_or(0) };
                    let rules = client.read_rules(request).await.map_err(refused)?.into_inner();
                    context.printer.verbatim(&format!("{}\n", rules.rules_json.trim_end()));
                    return Ok(Status::Done);
                }
                Action::Publish { path, inactive, message } => {
                    let rules_json = std::fs::read_to_string(&path)
                        .map_err(|source| FileError::Read { path, source })?;
                    let request = PublishRulesRequest { rules_json, by: by.clone(), why: message };
                    let version = client.publish_rules(request).await.map_err(refused)?;
                    let version = version.into_inner().version;
                    if !inactive {
                        let request = ActivateRulesRequest { version, by };
                        client.activate_rules(request).await.map_err(refused)?;
                    }
                }
                Action::Activate { version } => {
                    let request = ActivateRulesRequest { version, by };
                    client.activate_rules(request).await.map_err(refused)?;
                }
            }
            let list = client.list_rules(ListRulesRequest {}).await.map_err(refused)?;
            show(context, &list.into_inner().versions);
            Ok(Status::Done)
        })
    }
}

/// Says whether a release brings other rules than the one before it; the first one may bring none.
pub(in crate::cli) fn differ(before: Option<&Release>, after: &Release) -> bool {
    let written = crate::journal::json(&after.spec.rules);
    match before {
        Some(before) => written != crate::journal::json(&before.spec.rules),
        None => !matches!(written.as_str(), "{}" | "null"),
    }
}

/// Publishes and activates the rules of a spec, after its release serves.
pub(in crate::cli) async fn publish<T: Serialize>(
    context: &Context,
    place: &mut Place,
    rules: &T,
) -> Result<(), CliError> {
    let unpublished = |error: CliError| {
        error.with_help("the release serves, with the old rules: `arenactl rules publish FILE`")
    };
    let rules_json = crate::journal::json(rules);
    let mut client = connect(place).await.map_err(unpublished)?;
    let by = lock::user();
    let why = "arena.yaml".to_owned();
    let request = PublishRulesRequest { rules_json, by: by.clone(), why };
    let version = client.publish_rules(request).await.map_err(refused)?.into_inner().version;
    client.activate_rules(ActivateRulesRequest { version, by }).await.map_err(refused)?;
    context.printer.say(&format!("rules {version} are active for new matches"));
    Ok(())
}

fn show(context: &Context, versions: &[RulesVersion]) {
    let values: Vec<_> = versions
        .iter()
        .map(|it| {
            json!({"version": it.version, "active": it.active, "by": it.by, "why": it.why,
                   "published_ms": it.published_ms})
        })
        .collect();
    context.printer.data(&json!({"versions": values}), || {
        let head = ["VERSION", "ACTIVE", "PUBLISHED", "BY", "WHY"].map(str::to_owned).to_vec();
        let rows = versions.iter().map(|it| {
            let active = if it.active { "yes" } else { "" };
            let published = clock::format_ms(it.published_ms);
            vec![
                it.version.to_string(),
                active.to_owned(),
                published,
                it.by.clone(),
                it.why.clone(),
            ]
        });
        print::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
    });
}
