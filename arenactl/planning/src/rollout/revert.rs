//! The way back, shared by all strategies: route back first, stop last.
//!
//! Start-first: old instances come back, new ones are drained, new ones stop. Stop-first (there is no
//! room for both): new ones are drained and stop, then old ones come back.

use arena_types::contract::AtDeadline;

use crate::rollout::phase::{Act, Facts, Phase, Side, Signal};
use crate::stage::Order;

/// Returns the first phase of the way back once new instances of batches up to `batch` may serve.
pub(super) const fn first(batch: u32, order: Order) -> Phase {
    match order {
        Order::StartFirst => Phase::Restoring(batch),
        Order::StopFirst => Phase::DrainingBack(batch),
    }
}

/// Returns the next phase on the way back, or `None` if `signal` means nothing there.
pub(super) fn on(phase: Phase, signal: Signal, facts: Facts) -> Option<Phase> {
    use {Phase as P, Signal as S};
    Some(match (phase, signal) {
        (P::Discarding(_) | P::StoppingBack(_), S::Deadline)
        | (P::Restoring(_), S::Lost | S::Deadline) => P::RevertFailed,
        (P::Discarding(batch), S::Stopped) => after_discard(batch, facts.order),
        (P::Restoring(batch), S::Ready) => match facts.order {
            Order::StartFirst => P::DrainingBack(batch),
            Order::StopFirst => P::RolledBack,
        },
        (P::DrainingBack(batch) | P::EndingBack(batch), S::Empty)
        | (P::EndingBack(batch), S::Deadline) => P::StoppingBack(batch),
        (P::DrainingBack(batch), S::Deadline) => match facts.at_deadline {
            AtDeadline::Keep => P::OverdueBack(batch),
            AtDeadline::End => P::EndingBack(batch),
        },
        (P::OverdueBack(batch), S::Resume) => P::DrainingBack(batch),
        (P::OverdueBack(batch), S::Promote) => P::EndingBack(batch),
        (P::StoppingBack(batch), S::Stopped) => match facts.order {
            Order::StartFirst => P::RolledBack,
            Order::StopFirst => P::Restoring(batch),
        },
        _ => return None,
    })
}

/// Earlier batches serve already and go the long way; the first one leaves nothing to undo, unless
/// its old instances were stopped to make room.
const fn after_discard(batch: u32, order: Order) -> Phase {
    match (order, batch) {
        (Order::StartFirst, 0) => Phase::RolledBack,
        (Order::StartFirst, _) => Phase::Restoring(batch - 1),
        (Order::StopFirst, _) => Phase::DrainingBack(batch),
    }
}

/// Returns what a phase of the way back does when it is entered.
pub(super) fn acts(phase: Phase) -> Vec<Act> {
    match phase {
        Phase::Discarding(batch) => vec![Act::Stop(Side::New(batch))],
        Phase::Restoring(batch) => vec![Act::Restore(Side::OldUpTo(batch))],
        Phase::DrainingBack(batch) => vec![Act::Route(0), Act::Drain(Side::NewUpTo(batch))],
        Phase::EndingBack(batch) => vec![Act::End(Side::NewUpTo(batch))],
        Phase::StoppingBack(batch) => vec![Act::Stop(Side::NewUpTo(batch))],
        _ => Vec::new(),
    }
}
