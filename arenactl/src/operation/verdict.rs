//! The end of a rollout: a result object for machines, a line or a failure card for people.

use arenactl_planning::rollout::{Cause, Outcome, Pause};
use arenactl_planning::units::Timestamp;
use serde_json::{Value, json};

use super::{End, Operation, card};
use crate::error::{CliError, Status};
use crate::history::Revision;
use crate::journal::Step;
use crate::print::Style;

/// Returns what the history keeps of the end: the first thing that went wrong.
pub(super) fn note(steps: &[Step], rules: &Result<Option<u32>, CliError>) -> String {
    if let Err(error) = rules {
        return format!("its rules are not in force: {}", error.chain().join(": "));
    }
    let failure = steps.last().and_then(|step| step.rollout.failure.as_ref());
    failure
        .map(|failure| format!("{}: {}", failure.service, cause(&failure.cause)))
        .unwrap_or_default()
}

fn was_aborted(steps: &[Step]) -> bool {
    let failure = steps.last().and_then(|step| step.rollout.failure.as_ref());
    failure.is_some_and(|failure| matches!(failure.cause, Cause::Aborted { .. }))
}

/// Prints the verdict on a rollout and returns the command's status.
pub(super) async fn print(operation: &mut Operation<'_>, end: &End, revision: &Revision) -> Status {
    let End { outcome, steps, now, rules } = end;
    let status = if rules.is_ok() { status(outcome) } else { Status::LeftAsIs };
    let took = now.since(Timestamp(revision.started_ms));
    let mut details = json!({
        "run": revision.rollout,
        "region": operation.region,
        "revision": revision.number,
        "release": revision.release,
        "seconds": took.as_ms() as f64 / 1_000.0,
        "steps": steps.len(),
        "note": note(steps, rules),
        "aborted": was_aborted(steps),
        "url": public_url(operation).await,
        "rules": rules.as_ref().ok().copied().flatten(),
    });
    let card = match (outcome, rules) {
        (Outcome::Done, Ok(_)) => None,
        (Outcome::Done, Err(error)) => Some(card::Card::without_rules(&operation.region, error)),
        _ => Some(card::Card::of(operation, outcome, steps).await),
    };
    if let (Some(card), Some(object)) = (&card, details.as_object_mut()) {
        object.insert("card".to_owned(), serde_json::to_value(card).unwrap_or(Value::Null));
    }
    let text = text(operation, outcome, revision, &details, card.as_ref());
    operation.printer.verdict(status, &details, &text);
    status
}

const fn status(outcome: &Outcome) -> Status {
    match outcome {
        Outcome::Done => Status::Done,
        Outcome::RolledBack => Status::RolledBack,
        Outcome::RollbackFailed => Status::RollbackFailed,
        Outcome::LeftAsIs => Status::LeftAsIs,
        Outcome::Paused { .. } => Status::Paused,
    }
}

fn text(
    operation: &Operation<'_>,
    outcome: &Outcome,
    revision: &Revision,
    details: &Value,
    card: Option<&card::Card>,
) -> String {
    let (style, line) = match (outcome, card) {
        (Outcome::Done, Some(_)) => (
            Style::Bad,
            format!(
                "✗ {} runs {}, revision {}, but new matches go by the old rules",
                operation.region, revision.release, revision.number
            ),
        ),
        _ => headline(operation, outcome, revision, details),
    };
    let line = operation.printer.paint(style, &line);
    let rules = details["rules"].as_u64();
    let rules = rules.map(|it| format!("\n  rules {it} are in force for new matches"));
    let url = details["url"].as_str().filter(|_| *outcome == Outcome::Done);
    let url = url.map(|url| format!("\n  play at {url}"));
    let card = card.map(|card| format!("\n{card}"));
    [Some(line), rules, url, card].into_iter().flatten().collect()
}

fn headline(
    operation: &Operation<'_>,
    outcome: &Outcome,
    revision: &Revision,
    details: &Value,
) -> (Style, String) {
    let (region, release) = (&operation.region, revision.release);
    let seconds = &details["seconds"];
    let failed = if details["aborted"] == true { "was aborted" } else { "failed" };
    match outcome {
        Outcome::Done => (
            Style::Good,
            format!("✓ {region} runs {release}, revision {}, in {seconds} s", revision.number),
        ),
        Outcome::RolledBack => {
            (Style::Bad, format!("✗ {release} {failed} in {region}, rolled back in {seconds} s"))
        }
        Outcome::RollbackFailed => {
            (Style::Bad, format!("✗ {release} {failed} in {region}, and its rollback failed"))
        }
        Outcome::LeftAsIs => {
            (Style::Bad, format!("✗ {release} {failed} in {region} and was left as it is"))
        }
        Outcome::Paused { reason } => {
            let word = match reason {
                Pause::Operator => "an operator paused it",
                Pause::DrainOverdue { .. } => "instances still hold sessions at the deadline",
                Pause::DoesNotStop { .. } => "instances do not stop",
            };
            (Style::Warn, format!("‖ {release} waits in {region}: {word}"))
        }
    }
}

/// Returns where players connect: the public port of a ready instance.
async fn public_url(operation: &mut Operation<'_>) -> Option<String> {
    let units = operation.backend.units().await.ok()?;
    crate::backend::public_url(&units)
}

/// Writes a cause in one line.
pub(super) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::InstanceFailed { instance, reason } => format!("{instance} failed: {reason}"),
        Cause::TimedOut { instances, limit } => {
            let names: Vec<_> = instances.iter().map(ToString::to_string).collect();
            format!("{} not ready within {limit}", names.join(", "))
        }
        Cause::Aborted { reason } if reason.is_empty() => "aborted".to_owned(),
        Cause::Aborted { reason } => format!("aborted: {reason}"),
    }
}
