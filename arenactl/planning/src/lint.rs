//! An independent judge of a plan: it knows what must always hold, and nothing of how plans are made.
//!
//! A finding is a bug in planning, never the operator's mistake: `deploy` refuses such a plan (exit 70).

mod nodes;

use std::collections::{BTreeMap, BTreeSet};

use arena_types::{InstanceId, ServiceName};

use crate::observed::{Observed, UnitState};
use crate::plan::Plan;
use crate::release::Release;
use crate::spec::{SecretName, Strategy};
use crate::stage::{Order, Stage};

/// Something a plan must not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A service would be without an instance although there is room to start first.
    #[error("`{service}` stops instances before their replacements are ready")]
    StopsFirst {
        /// The service.
        service: ServiceName,
    },
    /// An instance is started and gets no share of new work.
    #[error("`{instance}` is started and never routed to")]
    NotRouted {
        /// The instance.
        instance: InstanceId,
    },
    /// Weights that are not shares.
    #[error("the weights of `{service}` sum to {sum}")]
    WeightsSum {
        /// The service.
        service: ServiceName,
        /// Their sum.
        sum: u32,
    },
    /// A name is used for two instances.
    #[error("`{instance}` is started although it runs, or twice")]
    NameTaken {
        /// The instance.
        instance: InstanceId,
    },
    /// Something that does not run is stopped.
    #[error("`{instance}` is stopped although it does not run, or twice")]
    StopsUnknown {
        /// The instance.
        instance: InstanceId,
    },
    /// In the end there would be more or fewer instances than wanted.
    #[error("`{service}` would have {count} instances, {wanted} are wanted")]
    WrongCount {
        /// The service.
        service: ServiceName,
        /// How many there would be.
        count: u32,
        /// How many are wanted.
        wanted: u32,
    },
    /// Two processes would open the same data.
    #[error("`{service}` would run two processes on its data")]
    TwoOnData {
        /// The service.
        service: ServiceName,
    },
    /// A service is touched before one it depends on.
    #[error("`{service}` is touched before `{dependency}`")]
    WrongOrder {
        /// The service.
        service: ServiceName,
        /// What it comes after.
        dependency: ServiceName,
    },
    /// More GPUs would be held than there are.
    #[error("`{service}` would hold {needed} GPUs, {free} are free then")]
    TooFewGpus {
        /// The service.
        service: ServiceName,
        /// GPUs a batch needs.
        needed: u32,
        /// GPUs that are free at that time.
        free: u32,
    },
    /// More instances would start than nodes have room for, whatever comes to which node.
    #[error("`{service}` would start {count} instances at once, its nodes have room for {most}")]
    NoNode {
        /// The service.
        service: ServiceName,
        /// How many start together.
        count: usize,
        /// How many fit at the most.
        most: u64,
    },
    /// Free match slots would fall below the floor.
    #[error("free match slots would fall to {lowest}, the floor is {floor}")]
    BelowFloor {
        /// The least expected.
        lowest: u32,
        /// The least accepted.
        floor: u32,
    },
    /// A secret's value is written in the plan.
    #[error("the value of the secret `{name}` is written in the plan")]
    SecretShown {
        /// The secret.
        name: SecretName,
    },
}

/// Judges `plan`, which was made for `wanted` and `observed`. O(n log n).
#[must_use]
pub fn lint(plan: &Plan, wanted: &Release, observed: &Observed) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stage in &plan.stages {
        weights(stage, &mut findings);
        names(stage, observed, &mut findings);
        order_of_stops(stage, observed, &mut findings);
        routes(stage, &mut findings);
    }
    counts(plan, wanted, observed, &mut findings);
    dependencies(plan, wanted, &mut findings);
    nodes::judge(plan, wanted, observed, &mut findings);
    let slots = plan.joinable;
    if slots.lowest < slots.floor && slots.lowest < slots.now {
        findings.push(Finding::BelowFloor { lowest: slots.lowest, floor: slots.floor });
    }
    findings
}

/// Finds values of secrets in a plan: the caller, who alone knows them, lends them. O(text · secrets).
#[must_use]
pub fn lint_secrets(plan: &Plan, secrets: &BTreeMap<SecretName, String>) -> Vec<Finding> {
    let text = serde_json::to_string(plan).expect("plain data with text keys is JSON");
    secrets
        .iter()
        .filter(|(_, value)| !value.is_empty() && text.contains(value.as_str()))
        .map(|(name, _)| Finding::SecretShown { name: name.clone() })
        .collect()
}

fn weights(stage: &Stage, findings: &mut Vec<Finding>) {
    for weights in stage.weights.iter().filter(|it| !it.is_empty()) {
        let sum = weights.values().sum();
        if sum != 100 {
            findings.push(Finding::WeightsSum { service: stage.service.clone(), sum });
        }
    }
}

fn names(stage: &Stage, observed: &Observed, findings: &mut Vec<Finding>) {
    let mut live: BTreeSet<&InstanceId> = observed
        .services
        .get(&stage.service)
        .into_iter()
        .flat_map(|it| &it.instances)
        .filter(|it| it.state.is_live())
        .map(|it| &it.instance)
        .collect();
    let mut stopped: BTreeSet<&InstanceId> = live.clone();
    for batch in &stage.batches {
        for unit in batch.start.iter().filter(|it| !live.insert(&it.instance)) {
            findings.push(Finding::NameTaken { instance: unit.instance.clone() });
        }
        for unit in batch.stop.iter().filter(|it| !stopped.remove(&it.instance)) {
            findings.push(Finding::StopsUnknown { instance: unit.instance.clone() });
        }
    }
}

/// Stop-first is for data, for services that go away, and for nodes that may be full.
fn order_of_stops(stage: &Stage, observed: &Observed, findings: &mut Vec<Finding>) {
    let starts = stage.batches.iter().any(|it| !it.start.is_empty());
    let may_be_full = observed.nodes.iter().any(|it| it.gpus > 0 || it.cpus_free.is_some());
    let service = stage.service.clone();
    match (stage.strategy, stage.order) {
        (Strategy::Recreate, Order::StartFirst) => findings.push(Finding::TwoOnData { service }),
        (Strategy::Recreate, Order::StopFirst) if stage.batches.len() > 1 => {
            findings.push(Finding::TwoOnData { service });
        }
        (Strategy::Rolling | Strategy::BlueGreen, Order::StopFirst) if starts && !may_be_full => {
            findings.push(Finding::StopsFirst { service });
        }
        _ => {}
    }
}

/// Every started instance has a share in the end, unless its service is not routed by weight or its
/// release has a share already.
fn routes(stage: &Stage, findings: &mut Vec<Finding>) {
    let Some(last) = stage.weights.last() else { return };
    for unit in stage.batches.iter().flat_map(|it| &it.start) {
        if last.get(&unit.release).is_none_or(|share| *share == 0) {
            findings.push(Finding::NotRouted { instance: unit.instance.clone() });
        }
    }
}

fn counts(plan: &Plan, wanted: &Release, observed: &Observed, findings: &mut Vec<Finding>) {
    let stages: BTreeMap<_, _> = plan.stages.iter().map(|it| (&it.service, it)).collect();
    let names: BTreeSet<_> = wanted.spec.services.keys().chain(observed.services.keys()).collect();
    for service in names {
        let live = observed.services.get(service).map_or(0, |it| {
            it.instances.iter().filter(|it| it.state != UnitState::Stopped).count()
        });
        let batches = stages.get(service).map_or(&[][..], |it| &it.batches);
        let started: usize = batches.iter().map(|it| it.start.len()).sum();
        let stopped: usize = batches.iter().map(|it| it.stop.len()).sum();
        let count = (live + started).saturating_sub(stopped) as u32;
        let wanted = wanted.spec.services.get(service).map_or(0, |it| it.instances);
        if count != wanted {
            findings.push(Finding::WrongCount { service: service.clone(), count, wanted });
        }
    }
}

fn dependencies(plan: &Plan, wanted: &Release, findings: &mut Vec<Finding>) {
    let at: BTreeMap<&ServiceName, usize> =
        plan.stages.iter().enumerate().map(|(index, it)| (&it.service, index)).collect();
    for (service, index) in &at {
        let after = wanted.spec.services.get(*service).map(|it| &it.after);
        for dependency in after.into_iter().flatten() {
            if at.get(dependency).is_some_and(|it| it > index) {
                let (service, dependency) = ((*service).clone(), dependency.clone());
                findings.push(Finding::WrongOrder { service, dependency });
            }
        }
    }
}

#[cfg(test)]
mod tests;
