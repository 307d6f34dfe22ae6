//! What must hold between a plan and the nodes, whichever node an instance comes to.
//!
//! Only necessary conditions: an orchestrator chooses nodes by itself, so a plan that passes may still have
//! to wait, but one that does not could never be carried out.

use std::collections::BTreeMap;

use arena_types::{InstanceId, ReleaseId};

use crate::lint::Finding;
use crate::observed::{Node, Observed};
use crate::plan::Plan;
use crate::release::Release;
use crate::spec::{Resources, ServiceSpec};
use crate::stage::{Batch, Order, Stage};
use crate::units::Bytes;

/// Judges the GPUs of the region and the room on its nodes.
pub(super) fn judge(
    plan: &Plan,
    wanted: &Release,
    observed: &Observed,
    findings: &mut Vec<Finding>,
) {
    if observed.nodes.is_empty() {
        return;
    }
    gpus(plan, wanted, observed, findings);
    let homes = homes(observed);
    let is_known = |it: &InstanceId| homes.contains_key(it);
    let mut stopped = plan.stages.iter().flat_map(|it| &it.batches).flat_map(|it| &it.stop);
    if stopped.any(|it| !is_known(&it.instance)) {
        return; // Where something unknown stops there is room of unknown size.
    }
    let mut most = Most { free: observed.nodes.iter().map(Free::of).collect(), homes, observed };
    for stage in &plan.stages {
        most.judge(stage, wanted.spec.services.get(&stage.service), findings);
    }
}

/// Counts the GPUs of the whole region through the stages.
fn gpus(plan: &Plan, wanted: &Release, observed: &Observed, findings: &mut Vec<Finding>) {
    let mut free: i64 = observed.nodes.iter().map(|it| i64::from(it.gpus_free)).sum();
    for stage in &plan.stages {
        let new = wanted.spec.services.get(&stage.service).map_or(0, |it| it.resources.gpus);
        for batch in &stage.batches {
            let needed = i64::from(new) * batch.start.len() as i64;
            let freed: i64 = batch
                .stop
                .iter()
                .map(|it| held(observed, stage, it.release).map_or(new, |it| it.gpus))
                .map(i64::from)
                .sum();
            let room = if stage.order == Order::StopFirst { free + freed } else { free };
            if needed > room {
                let (needed, free) = (needed as u32, room.max(0) as u32);
                findings.push(Finding::TooFewGpus { service: stage.service.clone(), needed, free });
            }
            free += freed - needed;
        }
    }
}

fn held(observed: &Observed, stage: &Stage, release: ReleaseId) -> Option<Resources> {
    let release = observed.releases.get(&release)?;
    release.spec.services.get(&stage.service).map(|it| it.resources)
}

fn homes(observed: &Observed) -> BTreeMap<&InstanceId, usize> {
    let place = |name: &str| observed.nodes.iter().position(|it| it.name == name);
    let instances = observed.services.values().flat_map(|it| &it.instances);
    instances.filter_map(|it| Some((&it.instance, place(it.node.as_deref()?)?))).collect()
}

/// What a node has free at the most: what stops is given back, what starts is not taken, since nobody
/// knows on which node.
struct Free<'a> {
    node: &'a Node,
    gpus: u64,
    cores: u64,
    memory: u64,
}

impl<'a> Free<'a> {
    fn of(node: &'a Node) -> Self {
        Self {
            node,
            gpus: node.gpus_free.into(),
            cores: node.cpus_free.map_or(u64::MAX, |it| it.as_milli().into()),
            memory: node.memory_free.map_or(u64::MAX, Bytes::as_u64),
        }
    }

    fn give_back(&mut self, held: Resources) {
        self.gpus += u64::from(held.gpus);
        self.cores = self.cores.saturating_add(held.cpu.as_milli().into());
        self.memory = self.memory.saturating_add(held.memory.as_u64());
    }

    /// Returns how many instances fit at the most.
    fn most(&self, spec: &ServiceSpec) -> u64 {
        if !spec.placement.allows(&self.node.labels) {
            return 0;
        }
        let needs = spec.resources;
        let limit = match spec.placement.max_per_node {
            0 => u64::MAX,
            limit => limit.into(),
        };
        [
            self.gpus.checked_div(needs.gpus.into()).unwrap_or(u64::MAX),
            self.cores.checked_div(needs.cpu.as_milli().into()).unwrap_or(u64::MAX),
            self.memory.checked_div(needs.memory.as_u64()).unwrap_or(u64::MAX),
            limit,
        ]
        .into_iter()
        .fold(u64::MAX, u64::min)
    }
}

struct Most<'a> {
    free: Vec<Free<'a>>,
    homes: BTreeMap<&'a InstanceId, usize>,
    observed: &'a Observed,
}

impl Most<'_> {
    fn judge(&mut self, stage: &Stage, spec: Option<&ServiceSpec>, findings: &mut Vec<Finding>) {
        for batch in &stage.batches {
            if stage.order == Order::StopFirst {
                self.stop(stage, batch);
            }
            let (count, most) = (batch.start.len(), spec.map_or(u64::MAX, |it| self.most(it)));
            if count as u64 > most {
                findings.push(Finding::NoNode { service: stage.service.clone(), count, most });
            }
            if stage.order == Order::StartFirst {
                self.stop(stage, batch);
            }
        }
    }

    fn most(&self, spec: &ServiceSpec) -> u64 {
        self.free.iter().map(|it| it.most(spec)).fold(0, u64::saturating_add)
    }

    fn stop(&mut self, stage: &Stage, batch: &Batch) {
        for unit in &batch.stop {
            let held = held(self.observed, stage, unit.release);
            if let (Some(home), Some(held)) = (self.homes.get(&unit.instance), held) {
                self.free[*home].give_back(held);
            }
        }
    }
}
