//! Blue-green: green beside blue, new matches to green, blue empties out and is kept stopped.

use arena_types::contract::AtDeadline;

use crate::rollout::phase::{Act, Facts, Phase, Side, Signal};
use crate::rollout::revert;

/// Returns the next phase, or `None` if `signal` means nothing in `phase`.
///
/// Before new matches went to green, green is simply discarded. After that, blue comes back first.
#[must_use]
pub fn on(phase: Phase, signal: Signal, facts: Facts) -> Option<Phase> {
    use {Phase as P, Signal as S};
    Some(match (phase, signal) {
        (P::Pending, S::Begin) => P::Starting(0),
        (P::Starting(_), S::Ready) => P::Routing(0),
        (P::Starting(_), S::Lost | S::Deadline | S::Revert) => P::Discarding(0),
        (P::Routing(step), S::Deadline) if step + 1 < facts.steps => P::Routing(step + 1),
        (P::Routing(step), S::Promote) if step + 1 < facts.steps => P::Routing(facts.steps - 1),
        (P::Routing(_), S::Deadline) | (P::Overdue(_), S::Resume) => P::Draining(0),
        (P::Draining(_), S::Deadline) => match facts.at_deadline {
            AtDeadline::Keep => P::Overdue(0),
            AtDeadline::End => P::Ending(0),
        },
        (P::Overdue(_), S::Promote) => P::Ending(0),
        (P::Draining(_) | P::Ending(_), S::Empty)
        | (P::Ending(_), S::Deadline)
        | (P::Stuck(_), S::Resume) => P::Stopping(0),
        (P::Stopping(_), S::Stopped) | (P::Stuck(_), S::Promote) => P::Promoted,
        (P::Stopping(_), S::Deadline) => P::Stuck(0),
        (P::Routing(_) | P::Draining(_) | P::Ending(_) | P::Stopping(_), S::Lost | S::Revert)
        | (P::Overdue(_) | P::Stuck(_) | P::Promoted, S::Revert) => P::Restoring(0),
        _ => return revert::on(phase, signal, facts),
    })
}

/// Returns what `phase` does when it is entered. Weights are pinned to blue before green starts, or
/// green would take matches as soon as it is ready.
#[must_use]
pub fn acts(phase: Phase) -> Vec<Act> {
    match phase {
        Phase::Starting(batch) => vec![Act::Route(0), Act::Start(Side::New(batch))],
        Phase::Routing(step) => vec![Act::Route(step + 1)],
        Phase::Draining(batch) => vec![Act::Drain(Side::Old(batch))],
        Phase::Ending(batch) => vec![Act::End(Side::Old(batch))],
        Phase::Stopping(batch) => vec![Act::Stop(Side::Old(batch))],
        _ => revert::acts(phase),
    }
}
