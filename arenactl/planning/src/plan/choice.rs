//! How a service's instances are replaced: the strategy, its reason, its batches and its weights.

use arena_types::contract::DrainMode;
use arena_types::{InstanceId, ReleaseId, ServiceName};

use crate::observed::{Observed, ObservedInstance, Weights};
use crate::plan::error::PlanError;
use crate::plan::room::{Needs, Room};
use crate::plan::shortage::{kind, shortage};
use crate::plan::view::View;
use crate::release::Release;
use crate::spec::{Drain, Kind, Resources, ServiceSpec, Strategy};
use crate::stage::{Batch, Order, Stage, StartUnit, StopUnit};
use crate::units::{Bytes, Cpus, Span};

/// How a service that goes away is drained, if no release says: as the reference does.
const REMOVED_DRAIN_DEADLINE: Span = Span::from_s(600);

/// How to replace, and why.
struct Choice {
    strategy: Strategy,
    order: Order,
    batch: usize,
    why: String,
}

/// What a stage is decided by beside its service.
pub(super) struct Around<'a> {
    pub(super) observed: &'a Observed,
    /// The service in the release that was the region's before.
    pub(super) former: Option<&'a ServiceSpec>,
    pub(super) wanted: &'a Release,
}

impl Around<'_> {
    /// Returns what an instance to be stopped holds.
    fn held(&self, service: &ServiceName, unit: &StopUnit) -> Resources {
        let release = self.observed.releases.get(&unit.release);
        let spec = release.and_then(|it| it.spec.services.get(service)).or(self.former);
        let spec = spec.or_else(|| self.wanted.spec.services.get(service));
        spec.map_or(NOTHING, |it| it.resources)
    }
}

/// What an instance holds of which nobody knows what it is.
const NOTHING: Resources = Resources { cpu: Cpus::from_milli(0), memory: Bytes::new(0), gpus: 0 };

/// Makes the stage of a service in which something starts or stops, and takes its room.
///
/// # Errors
/// [`PlanError::NameTooLong`] if the names of new instances do not fit, otherwise what there is too
/// little of.
pub(super) fn stage(
    view: &View<'_>,
    around: &Around<'_>,
    room: &mut Room<'_>,
) -> Result<Stage, PlanError> {
    room.turn_to(&view.keep);
    let (choice, batches) = first_that_fits(view, around, room)?;
    let spec = view.wanted.or(around.former);
    let drain = spec.map_or(
        Drain {
            deadline: REMOVED_DRAIN_DEADLINE,
            mode: DrainMode::Wait,
            at_deadline: arena_types::contract::AtDeadline::Keep,
        },
        |it| it.drain,
    );
    Ok(Stage {
        service: view.name.clone(),
        weights: weights(view, &choice, &batches),
        strategy: choice.strategy,
        why: choice.why,
        from: view.serving,
        to: view.wanted.map(|_| view.target),
        order: choice.order,
        batches,
        // Without an old release there is nothing to go back to, so nothing to watch for.
        settle: spec.filter(|_| view.serving.is_some()).map_or(Span::ZERO, |it| it.settle),
        ready_timeout: spec.map_or(Span::from_s(30), |it| it.ready_timeout),
        drain,
        keep_for: around.wanted.spec.deploy.rollback_window,
    })
}

/// Tries ways to replace, the best first, until one finds a node for every instance.
fn first_that_fits(
    view: &View<'_>,
    around: &Around<'_>,
    room: &mut Room<'_>,
) -> Result<(Choice, Vec<Batch>), PlanError> {
    let needs = view.wanted.map(Needs::from);
    for choice in ways(view, room) {
        let batches = batches(view, &choice)?;
        let mut trial = room.clone();
        if trial.run(choice.order, &batches, needs, &|it| around.held(view.name, it)) {
            *room = trial;
            return Ok((choice, batches));
        }
    }
    let needs = needs.expect("only what starts can find no node");
    let growth = view.start.len().saturating_sub(view.stop.len()).max(1);
    Err(shortage(room, view.name, needs, growth as u32))
}

/// Returns the ways to replace in the order they are tried: as the kind or the spec wishes, in smaller
/// steps, and the old instance first.
fn ways(view: &View<'_>, room: &Room<'_>) -> Vec<Choice> {
    let wish = choose(view);
    let Some(spec) = view.wanted else { return vec![wish] };
    if view.stop.is_empty() || wish.order == Order::StopFirst {
        return vec![wish];
    }
    let needs = Needs::from(spec);
    let wanted = view.start.len().min(wish.batch);
    let surge = room.surge(needs, wanted);
    let (gpus, free) = (spec.resources.gpus, room.allowed(needs).map(|it| it.gpus).sum::<u32>());
    let scarce = if gpus > 0 && wanted as u32 * gpus > free {
        let kind = kind(room.allowed(needs).map(|it| it.node));
        format!("{} {kind} needed, {free} free", wanted as u32 * gpus)
    } else {
        format!("room for {surge} of {wanted} beside the old")
    };
    let mut ways = vec![wish];
    for step in [surge, 1].into_iter().filter(|it| (1..wanted).contains(it)) {
        let why = format!("{scarce}: {step} at a time");
        ways.push(choice(Strategy::Rolling, Order::StartFirst, step, &why));
    }
    let why = format!("{scarce}: an old instance stops first");
    ways.push(choice(Strategy::Rolling, Order::StopFirst, 1, &why));
    ways
}

/// Returns how to replace as the kind or the spec wishes, whatever is free.
fn choose(view: &View<'_>) -> Choice {
    let all = view.start.len().max(view.stop.len()).max(1);
    let Some(spec) = view.wanted else {
        return choice(Strategy::Rolling, Order::StopFirst, all, "it is no longer in the spec");
    };
    if spec.kind == Kind::Data {
        let why = "one process alone may open its data";
        return choice(Strategy::Recreate, Order::StopFirst, all, why);
    }
    if view.serving.is_some() && !view.is_new_release() {
        let why = "what it runs stays the same";
        return choice(Strategy::Rolling, Order::StartFirst, all, why);
    }
    let (strategy, why) = match (spec.strategy, spec.kind) {
        (Some(strategy), _) => (strategy, "chosen in the spec"),
        (None, Kind::Matches) => {
            (Strategy::BlueGreen, "running matches move, or finish where they are")
        }
        (None, Kind::Sessions) => (Strategy::Rolling, "sessions move to the replacement"),
        (None, Kind::Stateless | Kind::Data) => (Strategy::Rolling, "any instance can answer"),
    };
    let beside = match strategy {
        Strategy::BlueGreen => view.start.len(),
        Strategy::Rolling => view.start.len().min(spec.batch as usize),
        Strategy::Recreate => return choice(strategy, Order::StopFirst, all, why),
    };
    choice(strategy, Order::StartFirst, beside, why)
}

fn choice(strategy: Strategy, order: Order, batch: usize, why: &str) -> Choice {
    Choice { strategy, order, batch: batch.max(1), why: why.to_owned() }
}

/// Pairs new instances with those they replace and cuts the pairs into batches.
fn batches(view: &View<'_>, choice: &Choice) -> Result<Vec<Batch>, PlanError> {
    let mut start = view.start.iter().enumerate().map(|(index, name)| {
        let instance: InstanceId = name
            .parse()
            .map_err(|_| PlanError::NameTooLong { service: ServiceName::clone(view.name) })?;
        let replaces = view.stop.get(index).map(|it| it.instance.clone());
        Ok(StartUnit { instance, release: view.target, replaces })
    });
    let mut stop = view.stop.iter().map(|it| stop_unit(it));
    let size = match choice.strategy {
        Strategy::Rolling => choice.batch,
        Strategy::BlueGreen | Strategy::Recreate => usize::MAX,
    };
    let mut batches = Vec::new();
    loop {
        let batch = Batch {
            start: start.by_ref().take(size).collect::<Result<_, _>>()?,
            stop: stop.by_ref().take(size).collect(),
        };
        if batch.start.is_empty() && batch.stop.is_empty() {
            return Ok(batches);
        }
        batches.push(batch);
    }
}

fn stop_unit(instance: &ObservedInstance) -> StopUnit {
    StopUnit {
        instance: instance.instance.clone(),
        release: instance.release,
        serves: instance.state.serves(),
    }
}

/// Returns the shares of new work before, and after each batch or step.
fn weights(view: &View<'_>, choice: &Choice, batches: &[Batch]) -> Vec<Weights> {
    let Some(spec) = view.wanted.filter(|_| choice.strategy != Strategy::Recreate) else {
        return Vec::new();
    };
    let (new, old) = (view.target, view.serving.filter(|it| *it != view.target));
    let Some(old) = old else {
        return unopposed(view, new, batches.len());
    };
    let before = Weights::from([(old, 100)]);
    let after: Vec<Weights> = match choice.strategy {
        Strategy::BlueGreen => {
            spec.weights.iter().map(|percent| share(old, new, *percent)).collect()
        }
        _ => by_count(view, old, batches),
    };
    std::iter::once(before).chain(after).collect()
}

/// Returns the weights of a service that has only one release, or none if they are written already.
fn unopposed(view: &View<'_>, release: ReleaseId, batches: usize) -> Vec<Weights> {
    let alone = Weights::from([(release, 100)]);
    match view.observed.map(|it| &it.weights) {
        Some(written) if *written == alone => Vec::new(),
        Some(written) if view.serving.is_some() => {
            std::iter::once(written.clone()).chain(std::iter::repeat_n(alone, batches)).collect()
        }
        _ => std::iter::once(Weights::new()).chain(std::iter::repeat_n(alone, batches)).collect(),
    }
}

/// Returns, after each batch, the share that matches the number of new and old instances.
fn by_count(view: &View<'_>, old: ReleaseId, batches: &[Batch]) -> Vec<Weights> {
    let serving = |batch: &Batch| batch.stop.iter().filter(|it| it.serves).count();
    let mut olds: usize = batches.iter().map(serving).sum();
    let mut news = view.keep.len();
    batches
        .iter()
        .map(|batch| {
            news += batch.start.len();
            olds -= serving(batch);
            let percent = if olds == 0 { 100 } else { 100 * news / (news + olds) };
            share(old, view.target, percent as u32)
        })
        .collect()
}

/// Returns the weights that give `percent` to the new release.
fn share(old: ReleaseId, new: ReleaseId, percent: u32) -> Weights {
    Weights::from([(old, 100 - percent.min(100)), (new, percent.min(100))])
}
