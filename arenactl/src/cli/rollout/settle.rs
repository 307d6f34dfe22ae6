//! What a command waits for that finds nothing to do: that everything it leaves alone is ready.

use std::collections::BTreeMap;

use arena_types::InstanceId;
use arenactl_planning::observed::UnitState;
use arenactl_planning::release::Release;
use arenactl_planning::units::{Span, Timestamp};
use serde_json::json;

use crate::backend::Unit;
use crate::cli::Context;
use crate::cli::context::Place;
use crate::cli::rollout::draft::Draft;
use crate::error::{CliError, Status};

/// Plans, and if there is nothing to do waits until that is true. A node that died a moment ago still counts as
/// one that runs what was on it, and a pipeline takes exit 0 for a region that serves.
///
/// # Errors
/// Those of `plan`, and [`Status::LeftAsIs`] if an instance still starts after the longest time that the release
/// gives to any.
pub(in crate::cli) async fn settled(
    context: &Context,
    place: &mut Place,
    plan: impl AsyncFn(&mut Place) -> Result<Draft, CliError>,
) -> Result<Draft, CliError> {
    loop {
        let draft = plan(place).await?;
        if !draft.plan.is_empty() || wait(context, place, &draft.release).await? == Waited::NotAtAll
        {
            return Ok(draft);
        }
    }
}

/// Whether what was planned is old by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    /// Nothing starts.
    NotAtAll,
    /// What started may have failed.
    AWhile,
}

/// Waits until no instance of a region starts any more.
async fn wait(context: &Context, place: &mut Place, release: &Release) -> Result<Waited, CliError> {
    let limits = release.spec.services.values().map(|it| it.ready_timeout);
    let limit = limits.max().unwrap_or(Span::ZERO);
    let began = place.backend.now();
    let mut told = BTreeMap::new();
    loop {
        let mut starting = place.backend.units().await?;
        starting.retain(|unit| unit.state == UnitState::Starting);
        if starting.is_empty() {
            return Ok(if told.is_empty() { Waited::NotAtAll } else { Waited::AWhile });
        }
        tell(context, place, &starting, &mut told);
        if place.backend.now().since(began) >= limit {
            return Err(not_ready(place, &starting, limit));
        }
        place.backend.rest(Some(Timestamp(began.0 + limit.as_ms()))).await;
    }
}

/// Says of each instance what it waits for, as often as that changes.
fn tell(
    context: &Context,
    place: &Place,
    starting: &[Unit],
    told: &mut BTreeMap<InstanceId, String>,
) {
    for Unit { instance, note, .. } in starting {
        if told.insert(instance.clone(), note.clone()).as_ref() == Some(note) {
            continue;
        }
        let region = &place.region;
        let why = if note.is_empty() { String::new() } else { format!(": {note}") };
        let text = format!("waiting: {instance} to be ready{why}");
        let event = json!({
            "ts": place.backend.now().to_string(), "region": region, "unit": instance, "msg": text,
        });
        context.printer.event(&event, &format!("{region} {text}"));
    }
}

fn not_ready(place: &Place, starting: &[Unit], limit: Span) -> CliError {
    let count = starting.len();
    let what = match count {
        1 => format!("nothing to do, and an instance is not ready after {limit}"),
        _ => format!("nothing to do, and {count} instances are not ready after {limit}"),
    };
    let lines = starting.iter().map(|unit| format!("  {}: {}", unit.instance, unit.note));
    let failure = CliError::new(Status::LeftAsIs, what).with_details(lines.collect::<Vec<_>>());
    let first = starting.first().map(|unit| unit.instance.to_string()).unwrap_or_default();
    let region = &place.region;
    failure
        .with_help(format!("see why: `arenactl logs {first} --region {region}`"))
        .with_help("then deploy again: what failed by then is replaced")
}
