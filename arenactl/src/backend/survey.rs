//! What is looked at before a cluster is called fit: plain facts, gathered by a backend, judged by `doctor`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use arena_types::InstanceId;

use crate::facts::Facts;

/// A cluster as it was found.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    pub(crate) manager: Manager,
    /// Ordered by name.
    pub(crate) nodes: Vec<SurveyedNode>,
    /// Images of the spec, by name; an error says why its registry does not name it.
    pub(crate) images: BTreeMap<String, Result<(), String>>,
    pub(crate) operator: OperatorState,
    pub(crate) certificates: Vec<Certificate>,
}

/// Who was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manager {
    pub(crate) endpoint: String,
    pub(crate) api: String,
    pub(crate) engine: String,
    /// Its node.
    pub(crate) node: String,
}

/// One node.
#[derive(Clone, Debug, Default)]
pub(crate) struct SurveyedNode {
    pub(crate) name: String,
    /// `ready`, `down`, … in Docker's words.
    pub(crate) state: String,
    /// `active`, `pause` or `drain`.
    pub(crate) availability: String,
    pub(crate) address: Option<IpAddr>,
    pub(crate) engine: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Generic resources by kind.
    pub(crate) resources: BTreeMap<String, u32>,
    /// What a process on it found; `None` if the node takes no tasks.
    pub(crate) probe: Option<Result<Probed, String>>,
    /// What a process found that was given a GPU; `None` if none was to be had.
    pub(crate) gpu_probe: Option<Result<Probed, String>>,
}

impl SurveyedNode {
    /// Says whether it takes tasks.
    pub(crate) fn takes_tasks(&self) -> bool {
        self.state == "ready" && self.availability == "active"
    }
}

/// What a process on a node found, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probed {
    pub(crate) facts: Facts,
    /// By our clock, the process read its node's clock no earlier and no later than these, in milliseconds
    /// since 1970.
    pub(crate) between_ms: (u64, u64),
}

/// Where the operator is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum OperatorState {
    /// No deploy has made one yet.
    #[default]
    Absent,
    /// It runs on this node.
    Runs(String),
    /// It does not run, and why.
    Down(String),
}

/// The certificate of an instance that shall run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The instance.
    pub instance: InstanceId,
    /// Its identity on the mesh.
    pub id: String,
    /// When it ends.
    pub not_after: SystemTime,
}

/// Every certificate of a region, and who issued them.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// Where the authority is kept, in words.
    pub authority: String,
    /// Ordered by instance.
    pub list: Vec<Certificate>,
}

/// Whether a survey may hold a GPU for a moment, to see what its holder sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuLook {
    /// It may.
    Hold,
    /// Somebody deploys, or nothing needs a GPU.
    Leave,
}
