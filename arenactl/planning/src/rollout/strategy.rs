//! From a stage's strategy to its transition table, and from its acts to effects on named instances.

use std::collections::{BTreeMap, BTreeSet};

use arena_types::contract::AtDeadline;
use arena_types::{InstanceId, ReleaseId};

use crate::rollout::effect::Effect;
use crate::rollout::phase::{Act, Await, Facts, Phase, Side, Signal};
use crate::rollout::{blue_green, recreate, rolling};
use crate::spec::{Drain, Strategy};
use crate::stage::{Batch, Order, Stage};
use crate::units::Span;

/// How long an instance may take to end what is left: it has nothing to wait for but its stores.
pub const END_LIMIT: Span = Span::from_s(10);
/// The deadline of a drain that ends what is left: the shortest the contract allows.
pub const END_DEADLINE: Span = Span::from_s(1);
/// How long an empty instance may take to exit: writing its last results and closing connections.
pub const STOP_LIMIT: Span = Span::from_s(30);

/// Returns the next phase of `stage` and what is done on entering it, or `None`.
pub(super) fn on(stage: &Stage, phase: Phase, signal: Signal) -> Option<(Phase, Vec<Act>)> {
    let facts = Facts::of(stage);
    let next = match stage.strategy {
        Strategy::BlueGreen => blue_green::on(phase, signal, facts),
        Strategy::Rolling => rolling::on(phase, signal, facts),
        Strategy::Recreate => recreate::on(phase, signal, facts),
    }?;
    Some((next, acts(stage, next)))
}

/// Returns what `phase` does when it is entered.
pub(super) fn acts(stage: &Stage, phase: Phase) -> Vec<Act> {
    match stage.strategy {
        Strategy::BlueGreen => blue_green::acts(phase),
        Strategy::Rolling => rolling::acts(phase, Facts::of(stage)),
        Strategy::Recreate => recreate::acts(phase),
    }
}

/// Returns how long `phase` may take, or `None` if nothing runs out.
pub(super) const fn limit(stage: &Stage, phase: Phase) -> Option<Span> {
    match phase {
        Phase::Starting(_) | Phase::Restoring(_) => Some(stage.ready_timeout),
        Phase::Routing(_) => Some(stage.settle),
        Phase::Draining(_) | Phase::DrainingBack(_) => Some(stage.drain.deadline),
        Phase::Ending(_) | Phase::EndingBack(_) => Some(END_LIMIT),
        Phase::Stopping(_) | Phase::Discarding(_) | Phase::StoppingBack(_) => Some(STOP_LIMIT),
        _ => None,
    }
}

/// Returns the signal that is sent once everything awaited has happened.
pub(super) const fn fulfilled(awaits: Await) -> Option<Signal> {
    match awaits {
        Await::Nothing | Await::Elapsed => None,
        Await::Ready(_) => Some(Signal::Ready),
        Await::Empty(_) => Some(Signal::Empty),
        Await::Stopped(_) => Some(Signal::Stopped),
    }
}

/// Returns the instances that `awaits` names.
pub(super) fn awaited(stage: &Stage, awaits: Await) -> BTreeSet<InstanceId> {
    match awaits {
        Await::Nothing | Await::Elapsed => BTreeSet::new(),
        Await::Ready(side) | Await::Empty(side) | Await::Stopped(side) => {
            units(stage, side).into_iter().map(|it| it.instance.clone()).collect()
        }
    }
}

/// Returns the instances whose death in `phase` means something.
pub(super) fn watched(stage: &Stage, phase: Phase) -> BTreeSet<InstanceId> {
    let side = match (phase, stage.order) {
        (Phase::Restoring(batch), _) => Side::OldUpTo(batch),
        (Phase::Routing(_), _) => Side::NewUpTo(0),
        (Phase::Starting(batch), _)
        | (
            Phase::Draining(batch) | Phase::Ending(batch) | Phase::Stopping(batch),
            Order::StartFirst,
        ) => Side::NewUpTo(batch),
        (
            Phase::Draining(batch) | Phase::Ending(batch) | Phase::Stopping(batch),
            Order::StopFirst,
        ) if batch > 0 => Side::NewUpTo(batch - 1),
        _ => return BTreeSet::new(),
    };
    units(stage, side).into_iter().map(|it| it.instance.clone()).collect()
}

/// Returns what `acts` ask of a backend.
pub(super) fn effects(stage: &Stage, acts: &[Act]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for &act in acts {
        match act {
            Act::Route(index) => effects.extend(route(stage, index)),
            Act::Start(side)
            | Act::Restore(side)
            | Act::Drain(side)
            | Act::End(side)
            | Act::Stop(side) => {
                effects
                    .extend(units(stage, side).into_iter().filter_map(|it| it.asked(stage, act)));
            }
        }
    }
    effects
}

fn route(stage: &Stage, index: u32) -> Option<Effect> {
    let weights = stage.weights.get(index as usize)?.clone();
    Some(Effect::SetTraffic { service: stage.service.clone(), weights })
}

/// An instance of a stage, seen from one of its sides.
struct Unit<'a> {
    instance: &'a InstanceId,
    release: ReleaseId,
    replaces: Option<&'a InstanceId>,
    keep: bool,
}

/// Returns the instances of `side`, in the plan's order.
fn units(stage: &Stage, side: Side) -> Vec<Unit<'_>> {
    let one = |batch: u32| stage.batches.get(batch as usize).into_iter();
    let up_to = |batch: u32| stage.batches.iter().take(batch as usize + 1);
    match side {
        Side::New(batch) => one(batch).flat_map(new_units).collect(),
        Side::Old(batch) => one(batch).flat_map(old_units).map(|(unit, _)| unit).collect(),
        Side::NewUpTo(batch) => up_to(batch).flat_map(new_units).collect(),
        Side::OldUpTo(batch) => up_to(batch)
            .flat_map(old_units)
            .filter_map(|(unit, serves)| serves.then_some(unit))
            .collect(),
    }
}

fn new_units(batch: &Batch) -> impl Iterator<Item = Unit<'_>> {
    batch.start.iter().map(|it| Unit {
        instance: &it.instance,
        release: it.release,
        replaces: it.replaces.as_ref(),
        keep: false,
    })
}

fn old_units(batch: &Batch) -> impl Iterator<Item = (Unit<'_>, bool)> {
    let heirs: BTreeMap<_, _> = batch
        .start
        .iter()
        .filter_map(|it| it.replaces.as_ref().map(|old| (old, &it.instance)))
        .collect();
    batch.stop.iter().map(move |it| {
        let replaces = heirs.get(&it.instance).copied();
        let unit = Unit { instance: &it.instance, release: it.release, replaces, keep: true };
        (unit, it.serves)
    })
}

impl Unit<'_> {
    /// Returns what `act` asks of this instance.
    fn asked(&self, stage: &Stage, act: Act) -> Option<Effect> {
        let (service, instance) = (stage.service.clone(), self.instance.clone());
        let (release, replaces) = (self.release, self.replaces.cloned());
        Some(match act {
            Act::Start(_) => Effect::Start { service, instance, release, replaces },
            Act::Restore(_) => Effect::Restore { service, instance, release, replaces },
            Act::Drain(_) => {
                let Drain { deadline, mode, at_deadline } = stage.drain;
                Effect::Drain { service, instance, deadline, mode, at_deadline }
            }
            Act::End(_) => Effect::Drain {
                service,
                instance,
                deadline: END_DEADLINE,
                mode: stage.drain.mode,
                at_deadline: AtDeadline::End,
            },
            Act::Stop(_) => {
                let keep_for = self.keep.then_some(stage.keep_for);
                Effect::Stop { service, instance, release, keep_for }
            }
            Act::Route(_) => return None,
        })
    }
}
