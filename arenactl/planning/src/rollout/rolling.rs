//! Rolling: batch by batch; each new instance is ready before the one it replaces is drained, or,
//! where there is no room for both, the old one is empty before it stops.

use arena_types::contract::AtDeadline;

use crate::rollout::phase::{Act, Facts, Phase, Side, Signal};
use crate::rollout::revert;
use crate::stage::Order;

/// Returns the next phase, or `None` if `signal` means nothing in `phase`.
#[must_use]
pub fn on(phase: Phase, signal: Signal, facts: Facts) -> Option<Phase> {
    use {Phase as P, Signal as S};
    Some(match (phase, signal) {
        (P::Pending, S::Begin) => begin(0, facts),
        (P::Starting(batch), S::Ready) => match facts.order {
            Order::StartFirst => P::Draining(batch),
            Order::StopFirst => next(batch, facts),
        },
        (P::Starting(batch), S::Lost | S::Deadline | S::Revert) => P::Discarding(batch),
        (P::Overdue(batch), S::Resume) => P::Draining(batch),
        (P::Draining(batch), S::Deadline) => match facts.at_deadline {
            AtDeadline::Keep => P::Overdue(batch),
            AtDeadline::End => P::Ending(batch),
        },
        (P::Overdue(batch), S::Promote) => P::Ending(batch),
        (P::Draining(batch) | P::Ending(batch), S::Empty)
        | (P::Ending(batch), S::Deadline)
        | (P::Stuck(batch), S::Resume) => P::Stopping(batch),
        (P::Stopping(batch), S::Stopped) | (P::Stuck(batch), S::Promote) => match facts.order {
            Order::StartFirst => next(batch, facts),
            Order::StopFirst => P::Starting(batch),
        },
        (P::Stopping(batch), S::Deadline) => P::Stuck(batch),
        (P::Draining(batch) | P::Ending(batch) | P::Stopping(batch), S::Lost | S::Revert)
        | (P::Overdue(batch) | P::Stuck(batch), S::Revert) => revert::first(batch, facts.order),
        (P::Promoted, S::Revert) => revert::first(facts.last(), facts.order),
        _ => return revert::on(phase, signal, facts),
    })
}

/// Returns the phase a batch begins with.
const fn begin(batch: u32, facts: Facts) -> Phase {
    match facts.order {
        Order::StartFirst => Phase::Starting(batch),
        Order::StopFirst => Phase::Draining(batch),
    }
}

/// Returns the phase after a batch.
const fn next(batch: u32, facts: Facts) -> Phase {
    if batch < facts.last() { begin(batch + 1, facts) } else { Phase::Promoted }
}

/// Returns what `phase` does when it is entered. The share of new work follows the number of
/// batches that are replaced.
#[must_use]
pub fn acts(phase: Phase, facts: Facts) -> Vec<Act> {
    match (phase, facts.order) {
        (Phase::Starting(batch), _) => vec![Act::Start(Side::New(batch))],
        (Phase::Draining(batch), Order::StartFirst) => {
            vec![Act::Route(batch + 1), Act::Drain(Side::Old(batch))]
        }
        (Phase::Draining(batch), Order::StopFirst) => {
            vec![Act::Route(batch), Act::Drain(Side::Old(batch))]
        }
        (Phase::Promoted, Order::StopFirst) => vec![Act::Route(facts.batches)],
        (Phase::Ending(batch), _) => vec![Act::End(Side::Old(batch))],
        (Phase::Stopping(batch), _) => vec![Act::Stop(Side::Old(batch))],
        _ => revert::acts(phase),
    }
}
