//! A plan as people read it.

use std::fmt::{self, Write as _};

use crate::plan::types::{Action, Counts, FieldChange, Impact, Plan, ServicePlan};
use crate::rollout::weights_text;
use crate::spec::Strategy;
use crate::stage::{Batch, Order, Stage};

/// Writes `plan` for people, without colour. Ends with a line break.
#[must_use]
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    write(plan, &mut out).expect("writing to a string cannot fail");
    out
}

fn write(plan: &Plan, out: &mut String) -> fmt::Result {
    let from = plan.from.map_or("nothing".to_owned(), |it| it.to_string());
    if plan.is_empty() {
        return writeln!(out, "{} ({}): nothing to do, {from} runs", plan.region, plan.environment);
    }
    writeln!(out, "{} ({}): {from} -> {}", plan.region, plan.environment, plan.to)?;
    for service in plan.services.iter().filter(|it| it.action != Action::Keep) {
        write_service(service, out)?;
    }
    for change in &plan.settings {
        write_change(change, out)?;
    }
    for (index, stage) in plan.stages.iter().enumerate() {
        write_stage(index + 1, stage, out)?;
    }
    write_waiting(plan, out)?;
    write_footer(plan, out)
}

fn write_service(service: &ServicePlan, out: &mut String) -> fmt::Result {
    let sign = match service.action {
        Action::Create => '+',
        Action::Remove => '-',
        Action::Repair => '!',
        _ => '~',
    };
    let word = match service.action {
        Action::Create => "create",
        Action::Replace => "replace",
        Action::Scale => "scale",
        Action::Repair => "repair",
        Action::Update => "update",
        Action::Remove => "remove",
        Action::Keep => "keep",
    };
    let (from, to) = (service.instances_from, service.instances_to);
    writeln!(out, "  {sign} {}: {word}, {from} -> {to}", service.service)?;
    service.changes.iter().try_for_each(|it| write_change(it, out))
}

fn write_change(change: &FieldChange, out: &mut String) -> fmt::Result {
    let mark = match change.impact {
        Impact::Restart => "restart ",
        Impact::InPlace => "in-place",
        Impact::None => "none    ",
    };
    let value = |it: &Option<String>| it.clone().unwrap_or_else(|| "unset".to_owned());
    let (from, to) = (value(&change.from), value(&change.to));
    writeln!(out, "      [{mark}] {}: {from} -> {to}", change.field)
}

fn write_stage(number: usize, stage: &Stage, out: &mut String) -> fmt::Result {
    let strategy = match (stage.strategy, stage.order) {
        (Strategy::Rolling, Order::StartFirst) => "rolling, start first",
        (Strategy::Rolling, Order::StopFirst) => "rolling, stop first",
        (Strategy::BlueGreen, _) => "blue-green",
        (Strategy::Recreate, _) => "recreate",
    };
    writeln!(out, "  {number}. {}: {strategy} ({})", stage.service, stage.why)?;
    for batch in &stage.batches {
        write_batch(batch, out)?;
    }
    let routes: Vec<_> = stage.weights.iter().skip(1).map(weights_text).collect();
    if let Some(last) = routes.last() {
        let path =
            if stage.strategy == Strategy::BlueGreen { routes.join(" | ") } else { last.clone() };
        writeln!(out, "       route {path}")?;
    }
    Ok(())
}

fn write_batch(batch: &Batch, out: &mut String) -> fmt::Result {
    let start: Vec<_> = batch.start.iter().map(|it| it.instance.as_str()).collect();
    let stop: Vec<_> = batch.stop.iter().map(|it| it.instance.as_str()).collect();
    match (start.is_empty(), stop.is_empty()) {
        (false, false) => {
            writeln!(out, "       start {}; stop {}", start.join(" "), stop.join(" "))
        }
        (false, true) => writeln!(out, "       start {}", start.join(" ")),
        (true, _) => writeln!(out, "       stop {}", stop.join(" ")),
    }
}

fn write_waiting(plan: &Plan, out: &mut String) -> fmt::Result {
    for waiting in &plan.waiting {
        let what = if waiting.moves { "moves the matches of" } else { "waits for" };
        write!(out, "  {what} {}: ", waiting.service)?;
        write!(out, "{} matches, {} sessions", waiting.matches, waiting.sessions)?;
        write!(out, ", up to {}", waiting.deadline)?;
        match &waiting.why {
            Some(why) => writeln!(out, " ({why})")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

fn write_footer(plan: &Plan, out: &mut String) -> fmt::Result {
    if plan.gpus.total > 0 {
        let gpus = plan.gpus;
        writeln!(out, "  GPUs: {} needed, {} free of {}", gpus.needed, gpus.free, gpus.total)?;
    }
    if plan.joinable.now > 0 || plan.joinable.floor > 0 {
        let slots = plan.joinable;
        write!(out, "  free match slots: {} now, {} at the least", slots.now, slots.lowest)?;
        writeln!(out, ", floor {}", slots.floor)?;
    }
    writeln!(out, "  {} · digest {}", counts(&plan.counts()), plan.digest.short())
}

fn counts(counts: &Counts) -> String {
    let parts: Vec<_> = [
        (counts.create, "create"),
        (counts.replace_start_first, "replace (start first)"),
        (counts.replace_stop_first, "replace (stop first)"),
        (counts.scale, "scale"),
        (counts.update, "update"),
        (counts.remove, "remove"),
        (counts.keep, "keep"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    format!("{} · {} start, {} stop", parts.join(" · "), counts.starts, counts.stops)
}
