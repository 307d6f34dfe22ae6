//! Recreate: for data that one process alone may open. Stop the old, start the new on the same
//! sockets and data; clients wait and retry. The way back is the same, the other way round.

use arena_types::contract::AtDeadline;

use crate::rollout::phase::{Act, Facts, Phase, Side, Signal};
use crate::rollout::revert;
use crate::stage::Order;

/// Returns the next phase, or `None` if `signal` means nothing in `phase`.
#[must_use]
pub fn on(phase: Phase, signal: Signal, facts: Facts) -> Option<Phase> {
    use {Phase as P, Signal as S};
    let facts = Facts { order: Order::StopFirst, ..facts };
    Some(match (phase, signal) {
        (P::Pending, S::Begin) | (P::Overdue(_), S::Resume) => P::Draining(0),
        (P::Draining(_), S::Deadline) => match facts.at_deadline {
            AtDeadline::Keep => P::Overdue(0),
            AtDeadline::End => P::Ending(0),
        },
        (P::Overdue(_), S::Promote) => P::Ending(0),
        (P::Draining(_) | P::Ending(_), S::Empty)
        | (P::Ending(_), S::Deadline)
        | (P::Stuck(_), S::Resume) => P::Stopping(0),
        (P::Stopping(_), S::Stopped) => P::Starting(0),
        (P::Stopping(_), S::Deadline) => P::Stuck(0), // two processes on one file: never
        (P::Starting(_), S::Ready) => P::Promoted,
        (P::Starting(_), S::Lost | S::Deadline | S::Revert) => P::Discarding(0),
        (
            P::Draining(_) | P::Ending(_) | P::Overdue(_) | P::Stopping(_) | P::Stuck(_),
            S::Revert,
        ) => P::Restoring(0),
        (P::Promoted, S::Revert) => P::DrainingBack(0),
        _ => return revert::on(phase, signal, facts),
    })
}

/// Returns what `phase` does when it is entered.
#[must_use]
pub fn acts(phase: Phase) -> Vec<Act> {
    match phase {
        Phase::Starting(batch) => vec![Act::Start(Side::New(batch))],
        Phase::Draining(batch) => vec![Act::Drain(Side::Old(batch))],
        Phase::Ending(batch) => vec![Act::End(Side::Old(batch))],
        Phase::Stopping(batch) => vec![Act::Stop(Side::Old(batch))],
        _ => revert::acts(phase),
    }
}
