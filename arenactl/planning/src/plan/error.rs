//! Why no plan could be made.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arena_types::{ReleaseId, ServiceName};

use crate::units::{Bytes, Cpus};

/// Why no plan could be made. Nodes are those that the service may run on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No node has the labels.
    #[error("{service} may run on no node: 0 of {} ({}) have {labels}", nodes.len(), names(nodes))]
    NoNodeAllowed {
        /// The service.
        service: ServiceName,
        /// The labels it asks for.
        labels: String,
        /// All nodes.
        nodes: Vec<String>,
    },
    /// No node could ever hold an instance.
    #[error(
        "an instance of {service} needs {wanted} {kind}, the largest node ({node}) has {largest}"
    )]
    TooFewGpusOnANode {
        /// The service.
        service: ServiceName,
        /// GPUs of one instance.
        wanted: u32,
        /// What they are called.
        kind: String,
        /// GPUs of the largest node.
        largest: u32,
        /// Its name.
        node: String,
    },
    /// The nodes could never hold all instances.
    #[error(
        "{service} needs {wanted} {kind} for {instances} instances, the region ({}) has {total} for it",
        names(nodes)
    )]
    TooFewGpus {
        /// The service.
        service: ServiceName,
        /// How many instances.
        instances: u32,
        /// GPUs of all of them.
        wanted: u32,
        /// What they are called.
        kind: String,
        /// GPUs that other services do not need and that instances fit on.
        total: u32,
        /// The nodes it may run on.
        nodes: Vec<String>,
    },
    /// No node could ever hold an instance.
    #[error(
        "an instance of {service} needs {wanted} of memory, the largest node ({node}) has {largest}"
    )]
    TooLittleMemory {
        /// The service.
        service: ServiceName,
        /// Memory of one instance.
        wanted: Bytes,
        /// Memory of the largest node.
        largest: Bytes,
        /// Its name.
        node: String,
    },
    /// No node could ever hold an instance.
    #[error(
        "an instance of {service} needs {wanted} cores, the largest node ({node}) has {largest}"
    )]
    TooFewCores {
        /// The service.
        service: ServiceName,
        /// Cores of one instance.
        wanted: Cpus,
        /// Cores of the largest node.
        largest: Cpus,
        /// Its name.
        node: String,
    },
    /// Other instances hold the GPUs now.
    #[error("{service} needs {wanted} {kind}: {}", held(*each, kind, *free, *nodes_free, *nodes, holders))]
    NoFreeGpus {
        /// The service.
        service: ServiceName,
        /// GPUs beyond those that its own stopped instances give back.
        wanted: u32,
        /// GPUs of one instance.
        each: u32,
        /// What they are called.
        kind: String,
        /// GPUs that are free at that time.
        free: u32,
        /// Nodes on which an instance finds enough of them.
        nodes_free: usize,
        /// How many nodes there are.
        nodes: usize,
        /// Who holds the others; `None` is something that is no instance of ours.
        holders: BTreeMap<Option<ReleaseId>, u32>,
    },
    /// What other instances reserve leaves too few cores on every node.
    #[error(
        "{service} needs {wanted} cores an instance for {instances} more: free are {}",
        list(free)
    )]
    NoFreeCores {
        /// The service.
        service: ServiceName,
        /// How many instances find no node.
        instances: u32,
        /// Cores of one instance.
        wanted: Cpus,
        /// What is free, by node.
        free: Vec<(String, Cpus)>,
    },
    /// What other instances reserve leaves too little memory on every node.
    #[error(
        "{service} needs {wanted} of memory an instance for {instances} more: free are {}",
        list(free)
    )]
    NoFreeMemory {
        /// The service.
        service: ServiceName,
        /// How many instances find no node.
        instances: u32,
        /// Memory of one instance.
        wanted: Bytes,
        /// What is free, by node.
        free: Vec<(String, Bytes)>,
    },
    /// Each resource is there, but not all on one node, or not within the limit a node.
    #[error("{instances} more of {service} find no node: {}", list(nodes))]
    NoNodeFits {
        /// The service.
        service: ServiceName,
        /// How many instances find no node.
        instances: u32,
        /// What each node lacks.
        nodes: Vec<(String, &'static str)>,
    },
    /// The backend has nothing to run.
    #[error("release {release} has no artifact for `{service}`")]
    NoArtifact {
        /// The service.
        service: ServiceName,
        /// The release.
        release: ReleaseId,
    },
    /// A name does not fit.
    #[error("instances of `{service}` would have names longer than 63 characters")]
    NameTooLong {
        /// The service.
        service: ServiceName,
    },
    /// The rollout would leave too little room for new matches.
    #[error("free match slots would fall to {lowest}, the floor is {floor}")]
    BelowFloor {
        /// The least expected.
        lowest: u32,
        /// The least accepted.
        floor: u32,
    },
}

impl PlanError {
    /// Returns one thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NoNodeAllowed { service, .. } => format!(
                "label a node (Swarm: `docker node update --label-add KEY=VALUE NODE`), or change \
                 `services.{service}.placement.labels`"
            ),
            Self::TooFewGpusOnANode { service, largest, .. } => {
                format!("set `services.{service}.resources.gpus` to {largest} or less")
            }
            Self::TooFewGpus { service, .. } => format!(
                "lower `services.{service}.instances` or its `resources.gpus`, or add a node"
            ),
            Self::NoFreeGpus { service, .. } => {
                format!("free some, or lower `services.{service}.instances`")
            }
            Self::TooLittleMemory { service, largest, .. } => {
                format!("set `services.{service}.resources.memory` to {largest} or less")
            }
            Self::TooFewCores { service, largest, .. } => {
                format!("set `services.{service}.resources.cpu` to {largest} or less")
            }
            Self::NoFreeCores { service, .. } => resource_help(service, "cpu"),
            Self::NoFreeMemory { service, .. } => resource_help(service, "memory"),
            Self::NoNodeFits { service, .. } => format!(
                "lower `services.{service}.instances` or its `resources`, widen its `placement`, or \
                 add a node"
            ),
            Self::NoArtifact { service, .. } => {
                format!("build `services.{service}.binary`, or push its image, and deploy again")
            }
            Self::NameTooLong { .. } => "give the service a shorter name".to_owned(),
            Self::BelowFloor { .. } => {
                "wait until fewer matches run, add instances, or lower `deploy.joinable_floor`"
                    .to_owned()
            }
        }
    }
}

fn resource_help(service: &ServiceName, resource: &str) -> String {
    format!("lower `services.{service}.resources.{resource}` or `instances`, or add a node")
}

/// Most nodes that a message names.
const NODES_MAX: usize = 8;

/// Writes `lab-1, lab-2`.
fn names(nodes: &[String]) -> String {
    let more = (nodes.len() > NODES_MAX).then_some("…");
    let names = nodes.iter().take(NODES_MAX).map(String::as_str).chain(more);
    names.collect::<Vec<_>>().join(", ")
}

/// Writes `lab-1 0.5, lab-2 1`.
fn list<T: ToString>(nodes: &[(String, T)]) -> String {
    let mut parts: Vec<_> = nodes
        .iter()
        .take(NODES_MAX)
        .map(|(node, it)| format!("{node} {}", it.to_string()))
        .collect();
    if nodes.len() > NODES_MAX {
        parts.push("…".to_owned());
    }
    parts.join(", ")
}

/// Writes `0 of 3 nodes have a free NVIDIA-GPU; 3 in use by r41`.
fn held(
    each: u32,
    kind: &str,
    free: u32,
    nodes_free: usize,
    nodes: usize,
    holders: &BTreeMap<Option<ReleaseId>, u32>,
) -> String {
    let text = match (nodes_free, each) {
        (0, 0 | 1) => format!("0 of {nodes} nodes have a free {kind}"),
        (0, _) => format!("0 of {nodes} nodes have {each} free {kind}"),
        _ => format!("{free} free, enough for an instance on {nodes_free} of {nodes} nodes"),
    };
    text + &in_use(holders)
}

/// Writes who holds how many GPUs, the newest release first: `; 3 in use by r41, 1 by others`.
#[must_use]
pub fn in_use(holders: &BTreeMap<Option<ReleaseId>, u32>) -> String {
    let mut text = String::new();
    for (release, count) in holders.iter().rev() {
        let by = release.map_or("others".to_owned(), |it| it.to_string());
        let (separator, in_use) = if text.is_empty() { (';', "in use by") } else { (',', "by") };
        write!(text, "{separator} {count} {in_use} {by}").expect("writing to a string cannot fail");
    }
    text
}
