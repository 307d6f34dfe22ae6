//! (Release, observed, seed) → plan.

use std::collections::BTreeSet;

use arena_types::ServiceName;
use arena_types::contract::DrainMode;
use serde::Serialize;

use crate::Digest;
use crate::observed::Observed;
use crate::plan::error::PlanError;
use crate::plan::room::Room;
use crate::plan::types::{Action, FieldChange, Impact, Plan, ServicePlan, Waiting};
use crate::plan::view::View;
use crate::plan::{choice, diff, joinable, order, shortage};
use crate::release::Release;
use crate::rollout::RolloutId;
use crate::spec::Kind;
use crate::stage::{Order, Stage};

/// Where a plan's random choices come from: its rollout's name. The same seed gives the same plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

/// Decides how a region moves from what is observed to `wanted`.
///
/// O(n log n) in instances, services and dependencies.
///
/// # Errors
/// Everything that makes the rollout impossible, all at once; never an empty list.
pub fn plan(wanted: &Release, observed: &Observed, seed: Seed) -> Result<Plan, Vec<PlanError>> {
    let mut errors = shortage::impossible(wanted, observed);
    let has_room = errors.is_empty();
    errors.extend(missing_artifacts(wanted));
    let current = observed.current.and_then(|id| observed.releases.get(&id));
    let views = views(wanted, observed, current);
    let services: Vec<ServicePlan> =
        views.iter().map(|view| service(view, observed, current, wanted)).collect();
    let mut room = Room::new(observed);
    let mut stages = Vec::new();
    // What can never fit was refused above; that it does not fit now either would say it twice.
    for view in views.iter().filter(|it| has_room && !it.is_still()) {
        let former = current.and_then(|it| it.spec.services.get(view.name));
        let around = choice::Around { observed, former, wanted };
        match choice::stage(view, &around, &mut room) {
            Ok(stage) => stages.push(stage),
            Err(error) => errors.push(error),
        }
    }
    let joinable = joinable::joinable(&views, &stages, observed, wanted.spec.deploy.joinable_floor);
    if joinable.lowest < joinable.floor && joinable.lowest < joinable.now {
        let (lowest, floor) = (joinable.lowest, joinable.floor);
        errors.push(PlanError::BelowFloor { lowest, floor });
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let waiting = stages.iter().filter_map(|it| waiting(it, wanted, observed)).collect();
    let mut plan = Plan {
        region: observed.region.clone(),
        environment: wanted.spec.environment.clone(),
        rollout: RolloutId(format!("{:08x}", Digest::of_json(&(seed.0, wanted.id)).as_u64() >> 32)),
        from: observed.current,
        to: wanted.id,
        digest: wanted.digest,
        on_failure: wanted.spec.deploy.on_failure,
        services: by_name(services),
        settings: diff::settings(current, wanted),
        stages,
        gpus: room.figures(),
        joinable,
        waiting,
    };
    plan.digest = digest(&plan, wanted);
    Ok(plan)
}

/// Returns the views in the order the services are touched: dependencies first, those that go away
/// last and in the opposite order.
fn views<'a>(
    wanted: &'a Release,
    observed: &'a Observed,
    current: Option<&'a Release>,
) -> Vec<View<'a>> {
    let mut names = order::order(&wanted.spec.services);
    let mut known: BTreeSet<&ServiceName> = names.iter().copied().collect();
    let former = current.map(|it| order::order(&it.spec.services)).unwrap_or_default();
    let gone = former.into_iter().rev().chain(observed.services.keys());
    names.extend(gone.filter(|it| observed.services.contains_key(*it) && known.insert(*it)));
    names.into_iter().map(|name| View::new(name, wanted, observed)).collect()
}

fn missing_artifacts(wanted: &Release) -> Vec<PlanError> {
    wanted
        .spec
        .services
        .keys()
        .filter(|it| !wanted.artifacts.contains_key(*it))
        .map(|it| PlanError::NoArtifact { service: it.clone(), release: wanted.id })
        .collect()
}

fn service(
    view: &View<'_>,
    observed: &Observed,
    current: Option<&Release>,
    wanted: &Release,
) -> ServicePlan {
    let running = view.serving.and_then(|id| observed.releases.get(&id));
    let changes = match view.wanted {
        Some(_) if view.serving.is_some() => diff::service(view.name, running, current, wanted),
        _ => Vec::new(),
    };
    ServicePlan {
        service: view.name.clone(),
        action: action(view, &changes),
        instances_from: view.instances_now(),
        instances_to: view.wanted.map_or(0, |it| it.instances),
        changes,
    }
}

fn action(view: &View<'_>, changes: &[FieldChange]) -> Action {
    let scales = changes.iter().any(|it| it.impact == Impact::InPlace);
    match (view.wanted, view.serving) {
        (None, _) if view.is_still() => Action::Keep,
        (None, _) => Action::Remove,
        (Some(_), None) => Action::Create,
        (Some(_), Some(_)) if view.is_new_release() => Action::Replace,
        _ if view.is_still() && changes.is_empty() => Action::Keep,
        _ if view.is_still() => Action::Update,
        _ if scales => Action::Scale,
        _ => Action::Repair,
    }
}

/// Returns what a stage waits for before it may stop the instances it replaces.
fn waiting(stage: &Stage, wanted: &Release, observed: &Observed) -> Option<Waiting> {
    let stops: BTreeSet<_> =
        stage.batches.iter().flat_map(|it| &it.stop).map(|it| &it.instance).collect();
    let instances = &observed.services.get(&stage.service)?.instances;
    let (matches, sessions) = instances
        .iter()
        .filter(|it| stops.contains(&it.instance))
        .fold((0, 0), |sum, it| (sum.0 + it.matches, sum.1 + it.sessions));
    if matches == 0 && sessions == 0 {
        return None;
    }
    let kind = wanted.spec.services.get(&stage.service).map(|it| it.kind);
    let hosts = kind == Some(Kind::Matches) && matches > 0;
    let why = if hosts { why_not_moved(stage, wanted, observed) } else { None };
    let (service, deadline) = (stage.service.clone(), stage.drain.deadline);
    let moves = hosts && why.is_none();
    Some(Waiting { service, matches, sessions, deadline, moves, why })
}

/// Returns why a drain cannot move matches, as far as that is known beforehand.
fn why_not_moved(stage: &Stage, wanted: &Release, observed: &Observed) -> Option<String> {
    let running = stage.from.and_then(|id| observed.releases.get(&id));
    let why = if stage.drain.mode == DrainMode::Wait {
        "`drain.mode` is `wait`"
    } else if running.is_some_and(|it| it.schema != wanted.schema) {
        "the rules or state schema differs"
    } else if stage.order == Order::StopFirst && stops_all_at_once(stage, observed) {
        "no other instance runs while the old ones stop"
    } else {
        return None;
    };
    Some(why.to_owned())
}

/// Says whether the first batch stops every instance that serves: recreate does, and stop-first of a single one.
fn stops_all_at_once(stage: &Stage, observed: &Observed) -> bool {
    let service = observed.services.get(&stage.service);
    let serving = service.into_iter().flat_map(|it| &it.instances).filter(|it| it.state.serves());
    let first = stage.batches.first();
    serving.into_iter().all(|it| {
        first.is_some_and(|batch| batch.stop.iter().any(|stop| stop.instance == it.instance))
    })
}

fn by_name(mut services: Vec<ServicePlan>) -> Vec<ServicePlan> {
    services.sort_by(|a, b| a.service.cmp(&b.service));
    services
}

/// Hashes what was decided. Figures that change by the second (matches, sessions, free slots) and the
/// rollout's name are left out, so that a plan stays valid while people play.
fn digest(plan: &Plan, wanted: &Release) -> Digest {
    #[derive(Serialize)]
    struct Decided<'a> {
        region: &'a arena_types::Region,
        from: Option<arena_types::ReleaseId>,
        content: Digest,
        stages: &'a [Stage],
        settings: &'a [FieldChange],
        actions: Vec<(&'a ServiceName, Action, u32, &'a [FieldChange])>,
    }
    Digest::of_json(&Decided {
        region: &plan.region,
        from: plan.from,
        content: wanted.digest,
        stages: &plan.stages,
        settings: &plan.settings,
        actions: plan
            .services
            .iter()
            .map(|it| (&it.service, it.action, it.instances_to, it.changes.as_slice()))
            .collect(),
    })
}
