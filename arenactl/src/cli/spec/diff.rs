//! `arenactl diff`: which settings differ from what runs.

use arenactl_planning::plan::{FieldChange, Impact};
use clap::Args;
use serde_json::json;

use crate::artifacts::Remember;
use crate::cli::Context;
use crate::cli::rollout::draft;
use crate::error::{CliError, Status};

/// Show which settings differ from the running release, marked restart, in-place or none.
#[derive(Debug, Args)]
pub(crate) struct Diff {}

impl Diff {
    pub(crate) fn run(context: &Context) -> Result<Status, CliError> {
        let spec = context.spec()?;
        let region = context.region(&spec)?;
        let plan = Context::block_on(async {
            let mut place = context.place(&spec, &region).await?;
            Ok(draft::draft(context, &mut place, &spec, "", Remember::Nothing).await?.plan)
        })?;
        let changed: Vec<_> = plan.services.iter().filter(|it| !it.changes.is_empty()).collect();
        let value = json!({
            "from": plan.from, "to": plan.to, "services": changed, "settings": plan.settings,
        });
        context.printer.data(&value, || {
            let services = changed.iter().map(|service| {
                let lines: String = service.changes.iter().map(line).collect();
                format!("{}\n{lines}", service.service)
            });
            services.chain(plan.settings.iter().map(line)).collect()
        });
        Ok(Status::Done)
    }
}

fn line(change: &FieldChange) -> String {
    let mark = match change.impact {
        Impact::Restart => "restart",
        Impact::InPlace => "in-place",
        Impact::None => "none",
    };
    let value = |it: &Option<String>| it.clone().unwrap_or_else(|| "unset".to_owned());
    format!("  {mark:8} {}: {} -> {}\n", change.field, value(&change.from), value(&change.to))
}
