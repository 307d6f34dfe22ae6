//! Where an instance may run. Each is a service of its own, so what Swarm does over the replicas of one service,
//! spreading them and limiting them per node, is done here.

use std::collections::BTreeMap;

use arena_types::{InstanceId, ServiceName};
use arenactl_planning::spec::{Placement, ServiceSpec as Wanted};
use bollard::models::Node;

use super::nodes;
use super::observe::{Placed, Seen, takes_tasks};
use crate::swarm::label;

/// How a constraint names one node.
const NODE_IS: &str = "node.id == ";

/// Returns the constraints of an instance; `home` is the node it is bound to.
pub(super) fn constraints(
    seen: &Seen,
    service: &ServiceName,
    instance: &InstanceId,
    wanted: &Wanted,
    home: Option<&str>,
) -> Vec<String> {
    let mut constraints = wanted.placement.constraints();
    if let Some(home) = home {
        constraints.push(format!("{NODE_IS}{home}"));
        return constraints;
    }
    let counts = counts(seen, service, instance);
    let limit = wanted.placement.max_per_node;
    let full = counts.iter().filter(|(_, count)| limit > 0 && **count >= limit);
    constraints.extend(full.map(|(node, _)| format!("node.id != {node}")));
    constraints.extend(spread(seen, &counts, &wanted.placement));
    constraints
}

/// Returns the node that an instance is bound to by its constraints.
pub(super) fn bound_to(placed: &Placed) -> Option<String> {
    let task = placed.service.spec.as_ref()?.task_template.as_ref()?;
    home(task.placement.as_ref()?.constraints.as_ref()?).map(str::to_owned)
}

/// Returns the node that constraints name as the only one.
pub(super) fn home(constraints: &[String]) -> Option<&str> {
    constraints.iter().find_map(|it| it.strip_prefix(NODE_IS))
}

/// Returns the node with the fewest tasks among those that are allowed; of several the first by name.
pub(super) fn emptiest(seen: &Seen, placement: &Placement) -> Option<String> {
    let load = |node: &&Node| {
        let tasks = seen.tasks.iter().filter(|it| super::observe::is_live(it));
        tasks.filter(|task| task.node_id == node.id).count()
    };
    let allowed = seen.nodes.values().filter(|node| is_allowed(node, placement));
    let best = allowed.min_by_key(|node| (load(node), nodes::name(node)))?;
    best.id.clone()
}

fn is_allowed(node: &Node, placement: &Placement) -> bool {
    takes_tasks(node) && placement.allows(&nodes::labels(node))
}

/// Counts the instances of a service on each node.
fn counts(seen: &Seen, service: &ServiceName, besides: &InstanceId) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for (instance, placed) in &seen.instances {
        let is_other = instance != besides && placed.is_wanted();
        if is_other && placed.label(label::SERVICE) == Some(service.as_str()) {
            // One that found no node yet may find any: it counts where it is bound to, if it is.
            let node = placed.node_id().map(str::to_owned).or_else(|| bound_to(placed));
            if let Some(node) = node {
                *counts.entry(node).or_insert(0) += 1;
            }
        }
    }
    counts
}

/// Chooses, label after label, the value under which the fewest instances run.
fn spread(seen: &Seen, counts: &BTreeMap<String, u32>, placement: &Placement) -> Vec<String> {
    let mut nodes: Vec<&Node> =
        seen.nodes.values().filter(|node| is_allowed(node, placement)).collect();
    let mut constraints = Vec::new();
    for name in &placement.spread {
        let value = |node: &Node| nodes::labels(node).get(name.as_str()).cloned();
        let mut loads: BTreeMap<String, u32> = BTreeMap::new();
        for node in &nodes {
            let Some(value) = value(node) else { continue };
            let count = node.id.as_ref().and_then(|id| counts.get(id)).copied().unwrap_or(0);
            *loads.entry(value).or_insert(0) += count;
        }
        let Some((best, _)) = loads.into_iter().min_by_key(|(_, load)| *load) else { continue };
        nodes.retain(|node| value(node).as_deref() == Some(best.as_str()));
        constraints.push(format!("node.labels.{name} == {best}"));
    }
    constraints
}
