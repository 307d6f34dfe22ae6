//! What a backend sees in a region: the second argument of a plan.

use std::collections::BTreeMap;

use arena_types::{InstanceId, Region, ReleaseId, ServiceName};
use serde::{Deserialize, Serialize};

use crate::release::Release;
use crate::units::{Bytes, Cpus};

/// Percent of new work each release of a service takes; the sum is 100, or the map is empty.
pub type Weights = BTreeMap<ReleaseId, u32>;

/// Where an instance is in its life, as a backend sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitState {
    /// It warms up.
    Starting,
    /// It takes new work.
    Ready,
    /// It finishes what it has.
    Draining,
    /// It has nothing left.
    Empty,
    /// It does not run, but is kept and can be started again.
    Stopped,
    /// It should run and does not.
    Failed,
}

impl UnitState {
    /// Returns whether the instance takes work now, or will without being asked.
    #[must_use]
    pub const fn serves(self) -> bool {
        matches!(self, Self::Starting | Self::Ready)
    }

    /// Returns whether a process exists, or should.
    #[must_use]
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::Stopped)
    }
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedInstance {
    /// Its name.
    pub instance: InstanceId,
    /// The release it was started from.
    pub release: ReleaseId,
    /// Where it is in its life.
    pub state: UnitState,
    /// Players' sessions it holds.
    pub sessions: u32,
    /// Matches it hosts.
    pub matches: u32,
    /// Matches it can host.
    pub capacity: u32,
    /// The machine it is on, by name, if it is on one and the backend can tell.
    #[serde(default)]
    pub node: Option<String>,
}

/// One service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedService {
    /// The weights in the registry.
    pub weights: Weights,
    /// Its instances, stopped ones included.
    pub instances: Vec<ObservedInstance>,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Cores.
    pub cpus: Cpus,
    /// Memory.
    pub memory: Bytes,
    /// GPUs.
    pub gpus: u32,
    /// GPUs no instance holds.
    pub gpus_free: u32,
    /// What its GPUs are called where they are counted: `NVIDIA-GPU`. Empty if the backend cannot tell.
    #[serde(default)]
    pub gpu_kind: String,
    /// GPUs held by each release; those that something else holds are in neither this nor `gpus_free`.
    #[serde(default)]
    pub gpu_holders: BTreeMap<ReleaseId, u32>,
    /// Cores that nothing has reserved; `None` if the backend reserves none.
    #[serde(default)]
    pub cpus_free: Option<Cpus>,
    /// Memory that nothing has reserved; `None` if the backend reserves none.
    #[serde(default)]
    pub memory_free: Option<Bytes>,
    /// Its labels, by which services choose where they run.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// What a backend sees in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The region.
    pub region: Region,
    /// The release of the last good revision, if there is one.
    pub current: Option<ReleaseId>,
    /// The current release and all that an instance carries.
    pub releases: BTreeMap<ReleaseId, Release>,
    /// What runs.
    pub services: BTreeMap<ServiceName, ObservedService>,
    /// The machines; empty if the backend cannot tell.
    pub nodes: Vec<Node>,
}

impl Observed {
    /// Returns a region in which nothing runs yet.
    #[must_use]
    pub const fn empty(region: Region) -> Self {
        Self {
            region,
            current: None,
            releases: BTreeMap::new(),
            services: BTreeMap::new(),
            nodes: Vec::new(),
        }
    }
}
