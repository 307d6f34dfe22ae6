//! `arenactl flag`: feature flags of a running arena.

use arena_wire::config::v1::{DeleteFlagRequest, Flag as FlagMessage, ListFlagsRequest};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Context;
use crate::config_client::ConfigError;
use crate::error::{CliError, Status};
use crate::{lock, print};

/// List, switch or remove feature flags.
#[derive(Debug, Args)]
pub(crate) struct Flag {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists all flags.
    List,
    /// Switches a flag on, for a share of the players; raising it only adds players.
    On {
        /// Its name.
        name: String,
        /// Percent of players, at most three decimals.
        #[arg(long, value_name = "PERCENT", default_value = "100", value_parser = millipercent)]
        rollout: u32,
    },
    /// Switches a flag off for everybody.
    Off {
        /// Its name.
        name: String,
    },
    /// Forgets a flag.
    Remove {
        /// Its name.
        name: String,
    },
}

impl Flag {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            let mut client = place.config().await?;
            let by = lock::user();
            match self.action {
                Action::List => {}
                Action::On { name, rollout } => {
                    let flag = FlagMessage { name, enabled: true, rollout, by, updated_ms: 0 };
                    client.write_flag(flag).await.map_err(|status| {
                        ConfigError::refused(status.code() as i32, status.message())
                    })?;
                }
                Action::Off { name } => {
                    let flag = FlagMessage { name, enabled: false, rollout: 0, by, updated_ms: 0 };
                    client.write_flag(flag).await.map_err(|status| {
                        ConfigError::refused(status.code() as i32, status.message())
                    })?;
                }
                Action::Remove { name } => {
                    client.delete_flag(DeleteFlagRequest { name, by }).await.map_err(|status| {
                        ConfigError::refused(status.code() as i32, status.message())
                    })?;
                }
            }
            let list = client
                .list_flags(ListFlagsRequest {})
                .await
                .map_err(|status| ConfigError::refused(status.code() as i32, status.message()))?
                .into_inner();
            show(context, &list.flags);
            Ok(Status::Done)
        })
    }
}

fn show(context: &Context, flags: &[FlagMessage]) {
    let values: Vec<_> = flags
        .iter()
        .map(|flag| {
            json!({"name": flag.name, "enabled": flag.enabled, "rollout_percent": percent(flag.rollout),
                   "by": flag.by, "updated_ms": flag.updated_ms})
        })
        .collect();
    context.printer.data(&json!({"flags": values}), || {
        let head = ["FLAG", "STATE", "PLAYERS", "BY"].map(str::to_owned).to_vec();
        let rows = flags.iter().map(|flag| {
            let state = if flag.enabled { "on" } else { "off" };
            let share = format!("{} %", percent(flag.rollout));
            vec![flag.name.clone(), state.to_owned(), share, flag.by.clone()]
        });
        print::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
    });
}

fn percent(millipercent: u32) -> f64 {
    f64::from(millipercent) / 1_000.0
}

/// Reads percent with at most three decimals into thousandths.
fn millipercent(text: &str) -> Result<u32, String> {
    let wrong =
        || "write percent from 0 to 100 with at most three decimals, such as 12.5".to_owned();
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || places.len() > 3 {
        return Err(wrong());
    }
    let thousandths = format!("{whole}{places:0<3}").parse::<u32>().map_err(|_| wrong())?;
    if thousandths <= 100_000 { Ok(thousandths) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_reads_to_thousandths() {
        for (text, value) in [
            ("0", Some(0)),
            ("12.5", Some(12_500)),
            ("0.001", Some(1)),
            ("100", Some(100_000)),
            ("100.1", None),
            ("1.0001", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(millipercent(text).ok(), value, "{text}");
        }
    }
}
