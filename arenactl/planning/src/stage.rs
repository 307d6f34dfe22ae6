//! A stage: one service of a plan moves from one set of instances to another.

use arena_types::{InstanceId, ReleaseId, ServiceName};
use serde::{Deserialize, Serialize};

use crate::observed::Weights;
use crate::spec::{Drain, Strategy};
use crate::units::Span;

/// Which comes first when an instance is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The new instance is ready before the old one is drained.
    StartFirst,
    /// The old instance is empty and stopped before the new one starts.
    StopFirst,
}

/// An instance to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartUnit {
    /// Its name, decided by the plan.
    pub instance: InstanceId,
    /// The release it runs.
    pub release: ReleaseId,
    /// Whose sockets and data it takes over, if anybody's.
    pub replaces: Option<InstanceId>,
}

/// An instance to drain and stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopUnit {
    /// Its name.
    pub instance: InstanceId,
    /// The release it runs.
    pub release: ReleaseId,
    /// Whether it served when the plan was made, so that a rollback must bring it back.
    pub serves: bool,
}

/// Instances that are replaced together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// What starts.
    pub start: Vec<StartUnit>,
    /// What stops.
    pub stop: Vec<StopUnit>,
}

/// One service of a plan, in all detail: an executor has nothing left to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The service.
    pub service: ServiceName,
    /// How its instances are replaced.
    pub strategy: Strategy,
    /// Why that way, for people.
    pub why: String,
    /// The release of the instances that served before, if any did.
    pub from: Option<ReleaseId>,
    /// The release of the new instances; `None` if the service goes away.
    pub to: Option<ReleaseId>,
    /// Which comes first.
    pub order: Order,
    /// The batches in order, at least one; blue-green and recreate have exactly one.
    pub batches: Vec<Batch>,
    /// Shares of new work: before anything moved, then after each batch (rolling) or each step
    /// (blue-green). Empty for a service that is not routed by weight.
    pub weights: Vec<Weights>,
    /// How long each step of a blue-green stage is watched.
    pub settle: Span,
    /// How long a new instance may take until it is ready.
    pub ready_timeout: Span,
    /// How old instances are emptied.
    pub drain: Drain,
    /// How long stopped instances are kept for a way back.
    pub keep_for: Span,
}
