//! How a service's instances are replaced: the strategy, its reason, its batches and its weights.

use arena_types::contract::DrainMode;
use arena_types::{InstanceId, ReleaseId, ServiceName};

use crate::observed::{ObservedInstance, Weights};
use crate::plan::capacity::GpuBudget;
use crate::plan::types::PlanError;
use crate::plan::view::View;
use crate::spec::{Drain, Kind, ServiceSpec, Strategy};
use crate::stage::{Batch, Order, Stage, StartUnit, StopUnit};
use crate::units::Span;

/// How a service that goes away is drained, if no release says: as the reference does.
const REMOVED_DRAIN_DEADLINE: Span = Span::from_s(600);

/// How to replace, and why.
struct Choice {
    strategy: Strategy,
    order: Order,
    batch: usize,
    why: String,
}

/// Makes the stage of a service in which something starts or stops.
///
/// # Errors
/// [`PlanError::NameTooLong`] if the names of new instances do not fit, [`PlanError::NoFreeGpus`] if
/// other instances hold the GPUs.
pub(super) fn stage(
    view: &View<'_>,
    former: Option<&ServiceSpec>,
    same_schema: bool,
    gpus: &GpuBudget,
    keep_for: Span,
) -> Result<Stage, PlanError> {
    let growth = view.start.len().saturating_sub(view.stop.len());
    let each = view.wanted.map_or(0, |it| it.resources.gpus);
    if growth > gpus.surge(each) as usize {
        let (service, wanted) = (ServiceName::clone(view.name), each * growth as u32);
        return Err(PlanError::NoFreeGpus { service, wanted, free: gpus.free() });
    }
    let choice = choose(view, gpus);
    let batches = batches(view, &choice)?;
    let spec = view.wanted.or(former);
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
        moves: choice.strategy == Strategy::BlueGreen
            && view.hosts_matches()
            && same_schema
            && drain.mode == DrainMode::Migrate,
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
        keep_for,
    })
}

fn choose(view: &View<'_>, gpus: &GpuBudget) -> Choice {
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
        let wish = choice(Strategy::Rolling, Order::StartFirst, all, why);
        return with_room(view, spec, gpus, wish);
    }
    let (strategy, why) = match (spec.strategy, spec.kind) {
        (Some(strategy), _) => (strategy, "chosen in the spec"),
        (None, Kind::Matches) => (Strategy::BlueGreen, "running matches finish where they are"),
        (None, Kind::Sessions) => (Strategy::Rolling, "sessions move to the replacement"),
        (None, Kind::Stateless | Kind::Data) => (Strategy::Rolling, "any instance can answer"),
    };
    let beside = match strategy {
        Strategy::BlueGreen => view.start.len(),
        Strategy::Rolling => view.start.len().min(spec.batch as usize),
        Strategy::Recreate => return choice(strategy, Order::StopFirst, all, why),
    };
    with_room(view, spec, gpus, choice(strategy, Order::StartFirst, beside, why))
}

/// Falls back to smaller steps where there are too few free GPUs to start all at once.
fn with_room(view: &View<'_>, spec: &ServiceSpec, gpus: &GpuBudget, wish: Choice) -> Choice {
    let surge = gpus.surge(spec.resources.gpus) as usize;
    if surge >= view.start.len().min(wish.batch) || view.stop.is_empty() {
        return wish;
    }
    let needs = view.start.len().min(wish.batch) * spec.resources.gpus as usize;
    let free = gpus.free();
    if surge == 0 {
        let why = format!("{needs} GPUs needed, {free} free: an old instance stops first");
        return choice(Strategy::Rolling, Order::StopFirst, 1, &why);
    }
    let why = format!("{needs} GPUs needed, {free} free: {surge} at a time");
    choice(Strategy::Rolling, Order::StartFirst, surge, &why)
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
