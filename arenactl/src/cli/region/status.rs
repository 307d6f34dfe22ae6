//! `arenactl status`: what runs, instance by instance.

use arena_types::contract::BackendReport;
use arenactl_planning::observed::UnitState;
use clap::Args;
use serde_json::{Value, json};

use crate::backend::tally::{Tally, tally};
use crate::backend::{self, Unit};
use crate::cli::rollout::session;
use crate::cli::{Context, context::Place};
use crate::error::{CliError, Status};
use crate::history::RevisionKind;
use crate::lock::LockView;
use crate::print;

/// Show what runs: releases, instances, sessions, drains, an open rollout, a lock.
#[derive(Debug, Args)]
pub(crate) struct StatusOf {
    /// Shows instances that are kept stopped, too.
    #[arg(long, short = 'a')]
    all: bool,
}

/// Where the node stands among the columns, in regions of several.
const NODE_COLUMN: usize = 1;
/// Where the matches that move, and copies of others', stand among the columns, while there are some.
const MOVING_COLUMN: usize = 5;

/// An open rollout, as status shows it.
struct Open {
    value: serde_json::Value,
    line: String,
}

impl StatusOf {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            let mut units = place.backend.units().await?;
            if !self.all {
                units.retain(|unit| unit.state != UnitState::Stopped);
            }
            let lock = place.ledger.lock_view().await?;
            let open = open(&mut place).await?;
            let are_rules_due = session::has_due_rules(&mut place).await?;
            let current = place.history.current();
            let release = current.map(|release| release.id);
            let revision = place.history.revisions.last().map(|revision| revision.number);
            let value = json!({
                "region": place.region,
                "environment": current.map(|release| release.spec.environment.clone()),
                "release": release,
                "revision": revision,
                "url": backend::public_url(&units),
                "services": tally(&units, current),
                "instances": units.iter().map(value).collect::<Vec<_>>(),
                "rollout": open.as_ref().map(|open| &open.value),
                "rules_due": are_rules_due,
                "lock": lock,
            });
            context
                .printer
                .data(&value, || text(&place, &units, open.as_ref(), lock.as_ref(), are_rules_due));
            Ok(Status::Done)
        })
    }
}

async fn open(place: &mut Place) -> Result<Option<Open>, CliError> {
    let Some(revision) = place.history.open().cloned() else { return Ok(None) };
    let step = place.ledger.last_step(&revision.rollout).await?;
    let outcome = step.as_ref().and_then(|step| step.rollout.outcome());
    let service = step.as_ref().and_then(|step| step.rollout.stage());
    let service = service.map(|stage| stage.service.to_string()).unwrap_or_default();
    let stands = if outcome.is_some() { "paused" } else { "running or interrupted" };
    let value = json!({
        "id": revision.rollout, "release": revision.release, "service": service,
        "phase": step.as_ref().map(|step| step.rollout.phase), "outcome": outcome,
        "waits": step.as_ref().map(|step| step.rollout.waits()),
    });
    let line = match revision.kind {
        RevisionKind::Down => "a `down` is running or interrupted (`arenactl resume`)".to_owned(),
        _ => format!(
            "rollout {} to {} at {service}: {stands} (`arenactl resume`, `arenactl abort`; run {0})",
            revision.rollout, revision.release
        ),
    };
    Ok(Some(Open { value, line }))
}

fn text(
    place: &Place,
    units: &[Unit],
    open: Option<&Open>,
    lock: Option<&LockView>,
    are_rules_due: bool,
) -> String {
    let release = place.history.current().map_or("nothing".to_owned(), |it| it.id.to_string());
    let at = backend::public_url(units).map(|url| format!(", play at {url}")).unwrap_or_default();
    let mut lines = vec![format!("{} runs {release}{at}", place.region)];
    lines.extend(open.map(|open| open.line.clone()));
    if are_rules_due {
        let due = "its rules are not in force yet (`arenactl resume` publishes them)";
        lines.push(due.to_owned());
    }
    lines.extend(lock.map(|lock| {
        let holder = &lock.holder;
        format!("locked by {} (pid {}, `{}`)", holder.who, holder.process.pid, holder.command)
    }));
    let tallies = tally(units, place.history.current());
    lines.extend(tallies.iter().filter_map(|(service, tally)| Tally::line(tally, service)));
    let head = ["INSTANCE", "RELEASE", "STATE", "SESSIONS", "MATCHES", "RESTARTS", "NOTE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(units.iter().map(row));
    let shadows: (&str, fn(&Unit) -> u32) = ("SHADOWS", |unit| unit.shadows);
    let moving: (&str, fn(&Unit) -> u32) = ("MOVING", |unit| unit.moving);
    for (head, count) in [shadows, moving] {
        if units.iter().any(|unit| count(unit) > 0) {
            let cells = units.iter().map(|unit| count(unit).to_string());
            let column = std::iter::once(head.to_owned()).chain(cells);
            rows.iter_mut().zip(column).for_each(|(row, cell)| row.insert(MOVING_COLUMN, cell));
        }
    }
    if units.iter().any(|unit| unit.node.is_some()) {
        let nodes = units.iter().map(|unit| unit.node.clone().unwrap_or_default());
        let column = std::iter::once("NODE".to_owned()).chain(nodes);
        rows.iter_mut().zip(column).for_each(|(row, node)| row.insert(NODE_COLUMN, node));
    }
    format!("{}\n{}", lines.join("\n"), print::table(&rows))
}

/// What machines are told of an instance: its fields, and the word that people read.
fn value(unit: &Unit) -> Value {
    let mut value = json!(unit);
    value["standing"] = unit.standing().into();
    value
}

fn row(unit: &Unit) -> Vec<String> {
    let backend = unit.backend.as_ref().and_then(told).unwrap_or_default();
    let note: Vec<String> =
        [unit.told(), backend].into_iter().filter(|part| !part.is_empty()).collect();
    let slots = match unit.capacity {
        0 => unit.matches.to_string(),
        capacity => format!("{}/{capacity}", unit.matches),
    };
    vec![
        unit.instance.to_string(),
        unit.release.to_string(),
        unit.standing().to_owned(),
        unit.sessions.to_string(),
        slots,
        unit.restarts.to_string(),
        note.join("; "),
    ]
}

/// Says what is not as everywhere: matches on a device, or no longer on it.
fn told(backend: &BackendReport) -> Option<String> {
    match &backend.lost {
        Some(why) => Some(format!("on {} since {why}", backend.name)),
        None if backend.name.starts_with("cpu-") => None,
        None => Some(format!("on {}", backend.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_noted_and_the_processor_only_where_a_device_was_lost() {
        let mut unit = Unit::blank("game-r1-0", "game", "r1").unwrap();
        let mut note = |name: &str, lost: Option<&str>| {
            unit.backend = Some(BackendReport {
                name: name.to_owned(),
                reason: "asked for".to_owned(),
                lost: lost.map(str::to_owned),
            });
            row(&unit).pop().unwrap()
        };
        assert_eq!(note("cpu-avx2", None), "");
        assert_eq!(note("gpu-vulkan", None), "on gpu-vulkan");
        let lost = Some("the device was lost: reset");
        assert_eq!(note("cpu-avx2", lost), "on cpu-avx2 since the device was lost: reset");
    }
}
