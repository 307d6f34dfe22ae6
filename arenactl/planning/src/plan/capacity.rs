//! Capacity first: what can never fit is refused before anything starts.

use std::cmp::Reverse;

use crate::observed::{Node, Observed};
use crate::plan::types::{Gpus, Joinable, PlanError};
use crate::plan::view::View;
use crate::release::Release;
use crate::stage::{Order, Stage};

/// Returns what could never be scheduled, however long one waits. Nothing if the nodes are unknown.
pub(super) fn impossible(wanted: &Release, nodes: &[Node]) -> Vec<PlanError> {
    let largest = |of: fn(&Node) -> u64| nodes.iter().map(of).max().unwrap_or(0);
    let (gpus_max, memory_max, cpus_max) = (
        largest(|it| u64::from(it.gpus)),
        largest(|it| it.memory.as_u64()),
        largest(|it| u64::from(it.cpus.as_milli())),
    );
    let mut gpus_left: u32 = nodes.iter().map(|it| it.gpus).sum();
    let mut errors = Vec::new();
    if nodes.is_empty() {
        return errors;
    }
    for (service, spec) in &wanted.spec.services {
        let (service, needs) = (service.clone(), spec.resources);
        if u64::from(needs.gpus) > gpus_max {
            let largest = gpus_max as u32;
            errors.push(PlanError::TooFewGpusOnANode { service, wanted: needs.gpus, largest });
            continue;
        }
        let all = needs.gpus.saturating_mul(spec.instances);
        if all > gpus_left {
            let (instances, total) = (spec.instances, gpus_left);
            let service = service.clone();
            errors.push(PlanError::TooFewGpus { service, instances, wanted: all, total });
        }
        gpus_left = gpus_left.saturating_sub(all);
        if needs.memory.as_u64() > memory_max {
            let largest = crate::units::Bytes::new(memory_max);
            let (service, wanted) = (service.clone(), needs.memory);
            errors.push(PlanError::TooLittleMemory { service, wanted, largest });
        }
        if u64::from(needs.cpu.as_milli()) > cpus_max {
            let largest = crate::units::Cpus::from_milli(cpus_max as u32);
            errors.push(PlanError::TooFewCores { service, wanted: needs.cpu, largest });
        }
    }
    errors
}

/// Counts GPUs through the stages, which follow one another.
pub(super) struct GpuBudget {
    known: bool,
    total: u32,
    free_at_start: u32,
    free: u32,
    lowest: u32,
}

impl GpuBudget {
    pub(super) fn new(nodes: &[Node]) -> Self {
        let free = nodes.iter().map(|it| it.gpus_free).sum();
        let total = nodes.iter().map(|it| it.gpus).sum();
        Self { known: !nodes.is_empty(), total, free_at_start: free, free, lowest: free }
    }

    /// Returns how many instances of `gpus` each can start beside those that run.
    pub(super) const fn surge(&self, gpus: u32) -> u32 {
        if gpus == 0 || !self.known { u32::MAX } else { self.free / gpus }
    }

    /// Returns the GPUs free now.
    pub(super) const fn free(&self) -> u32 {
        self.free
    }

    /// Takes note of a stage whose instances need `gpus` each.
    pub(super) fn run(&mut self, stage: &Stage, gpus: u32) {
        for batch in &stage.batches {
            let starts = gpus.saturating_mul(batch.start.len() as u32);
            let stops = gpus.saturating_mul(batch.stop.len() as u32);
            let room = match stage.order {
                Order::StartFirst => self.free,
                Order::StopFirst => self.free.saturating_add(stops),
            };
            self.lowest = self.lowest.min(room.saturating_sub(starts));
            self.free = self.free.saturating_add(stops).saturating_sub(starts);
        }
    }

    pub(super) const fn figures(&self) -> Gpus {
        Gpus {
            total: self.total,
            free: self.free_at_start,
            needed: self.free_at_start.saturating_sub(self.lowest),
        }
    }
}

/// Forecasts the free match slots while `stages` run, with the matches of now.
pub(super) fn joinable(
    views: &[View<'_>],
    stages: &[Stage],
    observed: &Observed,
    floor: u32,
) -> Joinable {
    let free_now = |view: &View<'_>| -> u32 {
        let instances = view.observed.map_or(&[][..], |it| &it.instances);
        let serving = instances.iter().filter(|it| it.state.serves());
        serving.map(|it| it.capacity.saturating_sub(it.matches)).sum()
    };
    let hosts: Vec<_> = views.iter().filter(|it| it.hosts_matches()).collect();
    let now: u32 = hosts.iter().map(|it| free_now(it)).sum();
    let lowest = hosts
        .iter()
        .filter_map(|view| {
            let stage = stages.iter().find(|it| it.service == *view.name)?;
            let others = now - free_now(view);
            Some(others + lowest_of(stage, view, observed))
        })
        .min();
    Joinable { floor, now, lowest: lowest.unwrap_or(now).min(now) }
}

/// Returns the fewest free slots of one service while its stage runs.
fn lowest_of(stage: &Stage, view: &View<'_>, observed: &Observed) -> u32 {
    let capacity = view.wanted.map_or(0, |it| it.capacity);
    let mut instances: Vec<_> = observed
        .services
        .get(view.name)
        .into_iter()
        .flat_map(|it| &it.instances)
        .filter(|it| it.state.serves())
        .map(|it| (&it.instance, it.capacity.saturating_sub(it.matches)))
        .collect();
    instances.sort_by_key(|it| Reverse(it.1));
    let mut slots: std::collections::BTreeMap<_, _> = instances.into_iter().collect();
    let mut free: u32 = slots.values().sum();
    let mut lowest = free;
    for batch in &stage.batches {
        let started = capacity.saturating_mul(batch.start.len() as u32);
        let stopped: u32 = batch.stop.iter().filter_map(|it| slots.remove(&it.instance)).sum();
        if stage.order == Order::StopFirst {
            lowest = lowest.min(free - stopped);
        }
        free = free - stopped + started;
        lowest = lowest.min(free);
    }
    lowest
}
