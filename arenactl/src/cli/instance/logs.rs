//! `arenactl logs`: what instances wrote.

use arena_types::InstanceId;
use arenactl_planning::observed::UnitState;
use clap::Args;
use serde_json::json;

use crate::backend::Unit;
use crate::cli::Context;
use crate::cli::rollout::session;
use crate::error::{CliError, Status};

/// Print the last lines of an instance, a service, or everything.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Instances, also stopped ones, or services; all that runs if left out.
    units: Vec<String>,
    /// Lines of each instance.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20)]
    lines: usize,
}

impl Logs {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            let units = place.backend.units().await?;
            let chosen: Vec<InstanceId> = units
                .iter()
                .filter(|unit| self.wants(unit, &units))
                .map(|it| it.instance.clone())
                .collect();
            if chosen.is_empty() {
                let what = match self.units.as_slice() {
                    [] => format!("nothing runs in {}", place.region),
                    names => format!("nothing in {} is called {}", place.region, names.join(", ")),
                };
                return Err(
                    CliError::new(Status::InvalidInput, what).with_help(session::instances(&units))
                );
            }
            let mut values = Vec::new();
            let mut text = String::new();
            for instance in &chosen {
                let lines = place.backend.log_tail(instance, self.lines).await;
                let prefix =
                    if chosen.len() > 1 { format!("{instance} | ") } else { String::new() };
                text.extend(lines.iter().map(|line| format!("{prefix}{line}\n")));
                values.push(json!({"instance": instance, "lines": lines}));
            }
            context.printer.data(&json!({"logs": values}), || text);
            Ok(Status::Done)
        })
    }

    /// Of a service of which nothing runs, what ran last is what a person looks for.
    fn wants(&self, unit: &Unit, all: &[Unit]) -> bool {
        let is_up = |unit: &Unit| unit.state != UnitState::Stopped;
        let is_running = is_up(unit);
        let is_all_down = !all.iter().any(|it| it.service == unit.service && is_up(it));
        let is_named = |name: &String| {
            let is_service = name == unit.service.as_str();
            name == unit.instance.as_str() || (is_service && (is_running || is_all_down))
        };
        (is_running && self.units.is_empty()) || self.units.iter().any(is_named)
    }
}
