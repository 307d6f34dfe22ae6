//! The nodes' resources, and why a task finds none.

use std::collections::BTreeMap;

use arena_types::ReleaseId;
use arenactl_planning::observed::Node as Figures;
use arenactl_planning::plan::in_use;
use arenactl_planning::units::{Bytes, Cpus};
use bollard::models::{GenericResources, Node, NodeState, ResourceObject, Task};

use super::observe::{Seen, is_live, takes_tasks};
use super::place;
use crate::swarm::label;

/// Returns the name that people know a node by.
pub(super) fn name(node: &Node) -> String {
    let hostname = node.description.as_ref().and_then(|it| it.hostname.clone());
    hostname.or_else(|| node.id.clone()).unwrap_or_default()
}

/// Returns a node's labels.
pub(super) fn labels(node: &Node) -> BTreeMap<String, String> {
    let labels = node.spec.as_ref().and_then(|it| it.labels.clone());
    labels.unwrap_or_default().into_iter().collect()
}

fn resources(node: &Node) -> Option<&ResourceObject> {
    node.description.as_ref()?.resources.as_ref()
}

fn reserved(task: &Task) -> Option<&ResourceObject> {
    task.spec.as_ref()?.resources.as_ref()?.reservations.as_ref()
}

/// Counts resources of a kind: named ones are one each, discrete ones a number.
pub(super) fn count(resources: Option<&GenericResources>, kind: &str) -> u32 {
    let count = resources.into_iter().flatten().map(|it| {
        let named = it.named_resource_spec.as_ref().filter(|it| it.kind.as_deref() == Some(kind));
        let discrete = it.discrete_resource_spec.as_ref();
        let discrete = discrete.filter(|it| it.kind.as_deref() == Some(kind));
        let number = discrete.and_then(|it| it.value).unwrap_or(0);
        u32::from(named.is_some()) + u32::try_from(number).unwrap_or(0)
    });
    count.sum()
}

/// What tasks on a node hold.
#[derive(Clone, Debug, Default)]
struct Held {
    gpus: u32,
    nano_cpus: i64,
    memory_bytes: i64,
}

fn held(seen: &Seen, node: &Node, gpu_kind: &str) -> Held {
    let mut held = Held::default();
    let on_it = seen.tasks.iter().filter(|task| is_live(task) && task.node_id == node.id);
    for reserved in on_it.filter_map(reserved) {
        held.gpus += count(reserved.generic_resources.as_ref(), gpu_kind);
        held.nano_cpus += reserved.nano_cpus.unwrap_or(0);
        held.memory_bytes += reserved.memory_bytes.unwrap_or(0);
    }
    held
}

/// Returns what planning needs to know of the nodes that take tasks.
pub(super) fn figures(seen: &Seen, gpu_kind: &str) -> Vec<Figures> {
    let mut figures: Vec<Figures> = seen
        .nodes
        .values()
        .filter(|node| takes_tasks(node))
        .map(|node| {
            let all = resources(node);
            let held = held(seen, node, gpu_kind);
            let gpus = count(all.and_then(|it| it.generic_resources.as_ref()), gpu_kind);
            let nano_cpus = all.and_then(|it| it.nano_cpus).unwrap_or(0);
            let memory = all.and_then(|it| it.memory_bytes).unwrap_or(0);
            Figures {
                name: name(node),
                cpus: Cpus::from_milli(milli(nano_cpus)),
                memory: Bytes::new(whole_mib(memory)),
                gpus,
                gpus_free: gpus.saturating_sub(held.gpus),
                gpu_kind: gpu_kind.to_owned(),
                gpu_holders: holders(seen, gpu_kind, node),
                cpus_free: Some(Cpus::from_milli(milli(nano_cpus - held.nano_cpus))),
                memory_free: Some(Bytes::new(whole_mib(memory - held.memory_bytes))),
                labels: labels(node),
            }
        })
        .collect();
    figures.sort_by(|one, other| one.name.cmp(&other.name));
    figures
}

fn milli(nano_cpus: i64) -> u32 {
    u32::try_from(nano_cpus / 1_000_000).unwrap_or(0)
}

/// Whole MiB read better.
fn whole_mib(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(0) >> 20 << 20
}

/// Says what a task that finds no node lacks. Swarm says only that resources are insufficient, not which.
pub(super) fn why_pending(task: &Task, error: &str, seen: &Seen, gpu_kind: &str) -> String {
    let wanted = reserved(task);
    let gpus = count(wanted.and_then(|it| it.generic_resources.as_ref()), gpu_kind);
    let nodes: Vec<&Node> = seen.nodes.values().filter(|node| takes_tasks(node)).collect();
    let mut lacks: Vec<String> = home_away(task, seen).into_iter().collect();
    if gpus > 0 {
        let free = |node: &&Node| {
            let all = resources(node).and_then(|it| it.generic_resources.as_ref());
            count(all, gpu_kind).saturating_sub(held(seen, node, gpu_kind).gpus)
        };
        let fitting = nodes.iter().filter(|node| free(node) >= gpus).count();
        if fitting == 0 {
            let in_use = in_use(&all_holders(seen, gpu_kind, &nodes));
            let free_word = if gpus == 1 { "a free" } else { "enough free" };
            lacks.push(format!("0 of {} nodes have {free_word} {gpu_kind}{in_use}", nodes.len()));
        }
    }
    let cpus = wanted.and_then(|it| it.nano_cpus).unwrap_or(0);
    let memory = wanted.and_then(|it| it.memory_bytes).unwrap_or(0);
    let fits = |node: &&&Node| {
        let held = held(seen, node, gpu_kind);
        let all = resources(node);
        let has = |of: fn(&ResourceObject) -> Option<i64>| all.and_then(of).unwrap_or(0);
        (
            has(|it| it.nano_cpus) - held.nano_cpus >= cpus,
            has(|it| it.memory_bytes) - held.memory_bytes >= memory,
        )
    };
    if !nodes.iter().any(|node| fits(&node).0) {
        lacks.push(format!("no node has {} free cores", Cpus::from_milli(milli(cpus))));
    }
    if !nodes.iter().any(|node| fits(&node).1) {
        lacks.push(format!("no node has {} of free memory", Bytes::new(whole_mib(memory))));
    }
    if lacks.is_empty() { error.to_owned() } else { format!("{} ({error})", lacks.join(", ")) }
}

/// Says where a task that may run on one node only would be, if that node takes none.
fn home_away(task: &Task, seen: &Seen) -> Option<String> {
    let placement = task.spec.as_ref()?.placement.as_ref()?;
    let home = place::home(placement.constraints.as_ref()?)?;
    let Some(node) = seen.nodes.get(home) else {
        return Some("its node is no longer part of the swarm".to_owned());
    };
    let is_down = node.status.as_ref().and_then(|it| it.state) == Some(NodeState::DOWN);
    let state = if is_down { "is down" } else { "takes no tasks" };
    (!takes_tasks(node)).then(|| format!("its node, {}, {state}", name(node)))
}

/// Counts who holds the resources of a kind on these nodes; `None` is what is no instance of ours.
fn all_holders(seen: &Seen, gpu_kind: &str, nodes: &[&Node]) -> BTreeMap<Option<ReleaseId>, u32> {
    let mut all = BTreeMap::new();
    for node in nodes {
        let mut others = held(seen, node, gpu_kind).gpus;
        for (release, count) in holders(seen, gpu_kind, node) {
            *all.entry(Some(release)).or_insert(0) += count;
            others = others.saturating_sub(count);
        }
        *all.entry(None).or_insert(0) += others;
    }
    all.retain(|_, count| *count > 0);
    all
}

/// Counts the resources of a kind that the instances of each release hold on a node.
fn holders(seen: &Seen, gpu_kind: &str, on: &Node) -> BTreeMap<ReleaseId, u32> {
    let mut holders = BTreeMap::new();
    for placed in seen.instances.values().filter(|it| !it.is_let_go()) {
        let Some(release) = placed.label(label::RELEASE).and_then(|it| it.parse().ok()) else {
            continue;
        };
        let is_there = |task: &&Task| task.node_id.is_some() && task.node_id == on.id;
        for task in placed.live().filter(is_there) {
            let gpus = count(reserved(task).and_then(|it| it.generic_resources.as_ref()), gpu_kind);
            if gpus > 0 {
                *holders.entry(release).or_insert(0) += gpus;
            }
        }
    }
    holders
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A swarm of one node, as its API tells it.
    fn seen(state: &str, availability: &str) -> Seen {
        let node = serde_json::json!({
            "ID": "n1", "Description": {"Hostname": "lab-1"},
            "Status": {"State": state}, "Spec": {"Availability": availability},
        });
        let node: Node = serde_json::from_value(node).unwrap();
        Seen { nodes: [("n1".to_owned(), node)].into(), ..Seen::default() }
    }

    fn bound_to(home: &str) -> Task {
        let constraints = [format!("node.id == {home}")];
        let task = serde_json::json!({"Spec": {"Placement": {"Constraints": constraints}}});
        serde_json::from_value(task).unwrap()
    }

    #[test]
    fn a_task_that_may_run_on_one_node_only_says_what_is_with_that_node() {
        let why = |home: &str, state: &str, availability: &str| {
            home_away(&bound_to(home), &seen(state, availability))
        };
        assert_eq!(why("n1", "ready", "active"), None);
        assert_eq!(why("n1", "down", "active").unwrap(), "its node, lab-1, is down");
        assert_eq!(why("n1", "ready", "drain").unwrap(), "its node, lab-1, takes no tasks");
        assert_eq!(
            why("n2", "ready", "active").unwrap(),
            "its node is no longer part of the swarm"
        );
        assert_eq!(home_away(&Task::default(), &seen("down", "active")), None);
    }
}
