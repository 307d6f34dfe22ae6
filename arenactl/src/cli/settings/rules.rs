//! `arenactl rules`: versions of the game's rules in a running arena.

use std::path::{Path, PathBuf};

use arena_wire::config::v1::{
    ActivateRulesRequest, ListRulesRequest, ReadRulesRequest, RulesVersion,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::config_client::{self, Active, ConfigError};
use crate::durable::FileError;
use crate::error::{CliError, Status};
use crate::{clock, lock, print, rules};

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
        #[arg(value_name = "VERSION")]
        number: Option<u32>,
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
        #[arg(value_name = "VERSION")]
        number: u32,
    },
}

impl Rules {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            if let Action::Publish { path, .. } = &self.action {
                read(path)?; // What is wrong with a file needs no arena to be told.
            }
            let mut place = context.known_place().await?;
            let mut client = place.config().await?;
            match self.action {
                Action::List => {
                    let list = client.list_rules(ListRulesRequest {}).await;
                    show(
                        context,
                        &list
                            .map_err(|status| {
                                ConfigError::refused(status.code() as i32, status.message())
                            })?
                            .into_inner()
                            .versions,
                    );
                    return Ok(Status::Done);
                }
                Action::Show { number } => {
                    let request = ReadRulesRequest { version: number.unwrap_or(0) };
                    let rules = client.read_rules(request).await.map_err(|status| {
                        ConfigError::refused(status.code() as i32, status.message())
                    })?;
                    let rules_json = rules.into_inner().rules_json;
                    context.printer.verbatim(&format!("{}\n", rules_json.trim_end()));
                    return Ok(Status::Done);
                }
                Action::Publish { path, inactive, message } => {
                    let active = if inactive { Active::Later } else { Active::FromNowOn };
                    config_client::publish(&mut client, &read(&path)?, &message, active).await?;
                }
                Action::Activate { number } => {
                    let by = lock::user();
                    let request = ActivateRulesRequest { version: number, by };
                    client.activate_rules(request).await.map_err(|status| {
                        ConfigError::refused(status.code() as i32, status.message())
                    })?;
                }
            }
            let list = client.list_rules(ListRulesRequest {}).await;
            show(
                context,
                &list
                    .map_err(|status| ConfigError::refused(status.code() as i32, status.message()))?
                    .into_inner()
                    .versions,
            );
            Ok(Status::Done)
        })
    }
}

/// Reads a file of rules; every mistake in it is told at once.
fn read(path: &Path) -> Result<Value, CliError> {
    let invalid = |what: String| {
        CliError::new(Status::InvalidInput, what)
            .with_help("`arenactl rules show` prints a whole document to begin with")
    };
    let text = std::fs::read_to_string(path).map_err(|source| {
        let path = path.to_path_buf();
        CliError::new(Status::InvalidInput, FileError::Read { path, source })
            .with_help("name a JSON file with what differs from the standard rules")
    })?;
    let document: Value = serde_json::from_str(&text)
        .map_err(|error| invalid(format!("`{}` is not JSON: {error}", path.display())))?;
    // Which game a running arena hosts only its config service knows: it judges what any game can play.
    let by_game = arena_games::GAMES.iter().map(|it| rules::mistakes(*it, &document));
    let by_game: Vec<_> = by_game.collect();
    let mistakes = by_game.first().cloned().unwrap_or_default();
    if by_game.iter().any(Vec::is_empty) {
        return Ok(document);
    }
    let lines = mistakes.into_iter().map(|mistake| format!("  {mistake}"));
    Err(invalid(format!("`{}` cannot be published", path.display())).with_details(lines))
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
