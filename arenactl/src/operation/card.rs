//! The failure card: what failed, why, what was seen, what was undone, what to type next.

use std::fmt;

use arena_types::InstanceId;
use arenactl_planning::rollout::{Cause, Direction, Outcome, Pause};
use serde::Serialize;

use super::{Operation, verdict};
use crate::error::CliError;
use crate::journal::Step;

/// Events shown: enough to see what led there.
const EVENT_COUNT: usize = 5;
/// Log lines shown.
const LOG_LINE_COUNT: usize = 10;

/// A failure card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Card {
    /// The instance it is about.
    unit: Option<InstanceId>,
    /// Why.
    reason: String,
    /// The last events, oldest first.
    events: Vec<String>,
    /// The last lines that the unit wrote.
    log: Vec<String>,
    /// What was taken back.
    undone: Vec<String>,
    /// What to type next.
    next: Vec<String>,
}

impl Card {
    pub(super) async fn of(
        operation: &mut Operation<'_>,
        outcome: &Outcome,
        steps: &[Step],
    ) -> Self {
        let unit = unit(outcome, steps);
        let log = match &unit {
            Some(unit) => operation.backend.log_tail(unit, LOG_LINE_COUNT).await,
            None => Vec::new(),
        };
        let failure = steps.last().and_then(|step| step.rollout.failure.as_ref());
        let note =
            unit.as_ref().and_then(|unit| operation.backend.seen(unit)).map(|unit| unit.note);
        let mut reason = failure.map(|it| verdict::cause(&it.cause)).unwrap_or_default();
        if let Some(note) = note.filter(|note| !note.is_empty() && !reason.contains(note)) {
            reason = if reason.is_empty() { note } else { format!("{reason} ({note})") };
        }
        let seen = steps.iter().filter_map(|step| step.event.as_ref()).map(ToString::to_string);
        let seen: Vec<String> = seen.collect();
        let back = steps.iter().filter(|step| step.rollout.direction == Direction::Back);
        Self {
            reason,
            events: seen[seen.len().saturating_sub(EVENT_COUNT)..].to_vec(),
            log,
            undone: back.flat_map(|step| &step.effects).map(ToString::to_string).collect(),
            next: next(outcome, &operation.region, unit.as_ref()),
            unit,
        }
    }
}

impl Card {
    /// The card of a release that serves while its rules could not be published.
    pub(super) fn without_rules(region: &arena_types::Region, error: &CliError) -> Self {
        Self {
            unit: None,
            reason: error.chain().join(": "),
            events: Vec::new(),
            log: Vec::new(),
            undone: Vec::new(),
            next: vec![
                format!("arenactl logs config --region {region}"),
                format!("arenactl resume --region {region}        # publishes them"),
                format!("arenactl rules list --region {region}    # shows which are in force"),
            ],
        }
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(unit) = &self.unit {
            writeln!(f, "  unit     {unit}")?;
        }
        if !self.reason.is_empty() {
            writeln!(f, "  reason   {}", self.reason)?;
        }
        block(f, "events", &self.events)?;
        block(f, "log", &self.log)?;
        block(f, "undone", &self.undone)?;
        for (index, next) in self.next.iter().enumerate() {
            let label = if index == 0 { "next" } else { "" };
            let end = if index + 1 == self.next.len() { "" } else { "\n" };
            write!(f, "  {label:8} {next}{end}")?;
        }
        Ok(())
    }
}

fn block(f: &mut fmt::Formatter<'_>, label: &str, lines: &[String]) -> fmt::Result {
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        writeln!(f, "  {label:8} {line}")?;
    }
    Ok(())
}

fn unit(outcome: &Outcome, steps: &[Step]) -> Option<InstanceId> {
    if let Outcome::Paused { reason } = outcome {
        return match reason {
            Pause::Operator => None,
            Pause::DrainOverdue { instances } | Pause::DoesNotStop { instances } => {
                instances.first().cloned()
            }
        };
    }
    match &steps.last()?.rollout.failure.as_ref()?.cause {
        Cause::InstanceFailed { instance, .. } => Some(instance.clone()),
        Cause::TimedOut { instances, .. } => instances.first().cloned(),
        Cause::Aborted { .. } => None,
    }
}

fn next(outcome: &Outcome, region: &arena_types::Region, unit: Option<&InstanceId>) -> Vec<String> {
    let logs = unit.map(|unit| format!("arenactl logs {unit} --region {region}"));
    let mut next: Vec<String> = logs.into_iter().collect();
    match outcome {
        Outcome::Done => {}
        Outcome::RolledBack => next.push(format!("arenactl plan --region {region}")),
        Outcome::RollbackFailed | Outcome::LeftAsIs => {
            next.push(format!("arenactl status --region {region}"));
            next.push(format!("arenactl rollback --region {region}"));
        }
        Outcome::Paused { reason: Pause::Operator } => {
            next.push(format!("arenactl resume --region {region}"));
            next.push(format!("arenactl abort --region {region}"));
        }
        Outcome::Paused { .. } => {
            next.push(format!("arenactl resume --region {region}     # waits once more"));
            next.push(format!("arenactl promote --region {region}    # ends what is left"));
            next.push(format!("arenactl abort --region {region}      # goes back"));
        }
    }
    next
}
