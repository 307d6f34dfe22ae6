//! What there is not enough of, by name.

use std::collections::BTreeMap;

use arena_types::{ReleaseId, ServiceName};

use crate::observed::{Node, Observed};
use crate::plan::error::PlanError;
use crate::plan::room::{Needs, Room, Slot};
use crate::release::Release;
use crate::spec::{Placement, ServiceSpec};
use crate::units::{Bytes, Cpus};

/// Returns what could never be scheduled, however long one waits. Nothing if the nodes are unknown.
pub(super) fn impossible(wanted: &Release, observed: &Observed) -> Vec<PlanError> {
    let mut errors = Vec::new();
    if observed.nodes.is_empty() {
        return errors;
    }
    let mut gpus_left = observed.nodes.iter().map(|it| it.gpus).sum();
    for (service, spec) in &wanted.spec.services {
        let allowed: Vec<&Node> =
            observed.nodes.iter().filter(|it| spec.placement.allows(&it.labels)).collect();
        if allowed.is_empty() {
            let (labels, all) =
                (labels(&spec.placement), observed.nodes.iter().collect::<Vec<_>>());
            let nodes = all.iter().map(|it| it.name.clone()).collect();
            errors.push(PlanError::NoNodeAllowed { service: service.clone(), labels, nodes });
            // Labels alone would not help where no node is large enough.
            errors.extend(too_large(service, spec, &all));
            continue;
        }
        let too_large = too_large(service, spec, &allowed);
        let is_gpus = |it: &PlanError| matches!(it, PlanError::TooFewGpusOnANode { .. });
        if !too_large.iter().any(is_gpus) {
            errors.extend(too_many(service, spec, &allowed, gpus_left));
            let all = spec.resources.gpus.saturating_mul(spec.instances);
            gpus_left = gpus_left.saturating_sub(all);
        }
        errors.extend(too_large);
    }
    errors
}

/// Returns the resources of which no node has enough for one instance.
fn too_large(service: &ServiceName, spec: &ServiceSpec, allowed: &[&Node]) -> Vec<PlanError> {
    let needs = spec.resources;
    let largest = |of: fn(&Node) -> u64| {
        let found = allowed.iter().rev().max_by_key(|it| of(it));
        found.map(|it| (of(it), it.name.clone())).unwrap_or_default()
    };
    let (gpus, memory, cores) = (
        largest(|it| u64::from(it.gpus)),
        largest(|it| it.memory.as_u64()),
        largest(|it| u64::from(it.cpus.as_milli())),
    );
    let mut errors = Vec::new();
    if u64::from(needs.gpus) > gpus.0 {
        let (service, kind) = (service.clone(), kind(allowed.iter().copied()));
        let (largest, node) = (gpus.0 as u32, gpus.1);
        let wanted = needs.gpus;
        errors.push(PlanError::TooFewGpusOnANode { service, wanted, kind, largest, node });
    }
    if needs.memory.as_u64() > memory.0 {
        let (service, wanted) = (service.clone(), needs.memory);
        let (largest, node) = (Bytes::new(memory.0), memory.1);
        errors.push(PlanError::TooLittleMemory { service, wanted, largest, node });
    }
    if u64::from(needs.cpu.as_milli()) > cores.0 {
        let (service, wanted) = (service.clone(), needs.cpu);
        let (largest, node) = (Cpus::from_milli(cores.0 as u32), cores.1);
        errors.push(PlanError::TooFewCores { service, wanted, largest, node });
    }
    errors
}

/// Finds more GPUs asked for than the nodes have in whole instances, or than others leave.
fn too_many(
    service: &ServiceName,
    spec: &ServiceSpec,
    allowed: &[&Node],
    left: u32,
) -> Option<PlanError> {
    let each = spec.resources.gpus;
    let wanted = each.saturating_mul(spec.instances);
    let whole: u32 = allowed.iter().map(|it| it.gpus.checked_div(each).unwrap_or(0) * each).sum();
    let total = whole.min(left);
    if wanted <= total {
        return None;
    }
    Some(PlanError::TooFewGpus {
        service: service.clone(),
        instances: spec.instances,
        wanted,
        kind: kind(allowed.iter().copied()),
        total,
        nodes: allowed.iter().map(|it| it.name.clone()).collect(),
    })
}

/// Says why `missing` more instances find no node now.
pub(super) fn shortage(
    room: &Room<'_>,
    service: &ServiceName,
    needs: Needs<'_>,
    missing: u32,
) -> PlanError {
    let allowed: Vec<&Slot<'_>> = room.allowed(needs).collect();
    let each = needs.resources;
    let fit = |of: &dyn Fn(&Slot<'_>) -> Option<u64>, each: u64| -> u64 {
        let fits = |it: &&Slot<'_>| of(it).map_or(u64::from(missing), |it| it / each.max(1));
        allowed.iter().map(fits).fold(0, u64::saturating_add)
    };
    let (service, instances) = (service.clone(), missing);
    if each.gpus > 0 && fit(&|it| Some(it.gpus.into()), each.gpus.into()) < missing.into() {
        return no_free_gpus(service, &allowed, each.gpus, missing);
    }
    if fit(&|it| it.cores.map(u64::from), each.cpu.as_milli().into()) < missing.into() {
        let one = |it: &&Slot<'_>| Some((it.node.name.clone(), Cpus::from_milli(it.cores?)));
        let free = allowed.iter().filter_map(one).collect();
        return PlanError::NoFreeCores { service, instances, wanted: each.cpu, free };
    }
    if fit(&|it| it.memory, each.memory.as_u64()) < missing.into() {
        let one = |it: &&Slot<'_>| Some((it.node.name.clone(), whole_mib(it.memory?)));
        let free = allowed.iter().filter_map(one).collect();
        return PlanError::NoFreeMemory { service, instances, wanted: each.memory, free };
    }
    let lacks =
        |it: &&Slot<'_>| (it.node.name.clone(), it.lacks(needs).unwrap_or("has room for some"));
    let nodes = allowed.iter().map(lacks).collect();
    PlanError::NoNodeFits { service, instances, nodes }
}

/// Whole MiB read better.
fn whole_mib(bytes: u64) -> Bytes {
    Bytes::new(bytes >> 20 << 20)
}

fn no_free_gpus(service: ServiceName, allowed: &[&Slot<'_>], each: u32, missing: u32) -> PlanError {
    let mut holders: BTreeMap<Option<ReleaseId>, u32> = BTreeMap::new();
    for Slot { node, .. } in allowed {
        let used = node.gpus.saturating_sub(node.gpus_free);
        let known: u32 = node.gpu_holders.values().sum();
        let ours = node.gpu_holders.iter().map(|(release, count)| (Some(*release), *count));
        for (holder, count) in ours.chain([(None, used.saturating_sub(known))]) {
            *holders.entry(holder).or_default() += count;
        }
    }
    holders.retain(|_, count| *count > 0);
    PlanError::NoFreeGpus {
        service,
        wanted: each.saturating_mul(missing),
        each,
        kind: kind(allowed.iter().map(|it| it.node)),
        free: allowed.iter().map(|it| it.gpus).sum(),
        nodes_free: allowed.iter().filter(|it| it.gpus >= each).count(),
        nodes: allowed.len(),
        holders,
    }
}

/// Returns what GPUs are called on these nodes.
pub(super) fn kind<'a>(mut nodes: impl Iterator<Item = &'a Node>) -> String {
    let named = nodes.find(|it| !it.gpu_kind.is_empty());
    named.map_or("GPU".to_owned(), |it| it.gpu_kind.clone())
}

fn labels(placement: &Placement) -> String {
    let parts: Vec<_> = placement.labels.iter().map(|(name, it)| format!("{name}={it}")).collect();
    parts.join(" and ")
}
