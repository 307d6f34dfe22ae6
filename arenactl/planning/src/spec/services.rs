//! `services`: what runs, how many of it, and how it is replaced.

use std::collections::{BTreeMap, BTreeSet};

use arena_types::ServiceName;
use arena_types::contract::{AtDeadline, DrainMode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::placement::Placement;
use crate::spec::ports::Ports;
use crate::spec::{ConfigName, SecretName, schema};
use crate::units::{Bytes, Cpus, Span};

/// What a service holds that a rollout must not lose.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Nothing: any instance can answer any request.
    Stateless,
    /// Players' connections; a drain moves them to another instance.
    Sessions,
    /// Running matches; a drain waits for them.
    Matches,
    /// Data on disk that one process alone may open.
    Data,
}

/// How instances are replaced.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// In batches; each new instance is ready before the one it replaces is drained.
    Rolling,
    /// All new instances beside the old; new matches go to the new, the old empty out.
    BlueGreen,
    /// Stop the old, start the new on the same sockets and data.
    Recreate,
}

/// What one instance reserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// Cores.
    pub cpu: Cpus,
    /// Memory.
    pub memory: Bytes,
    /// Whole GPUs.
    pub gpus: u32,
}

/// How an instance is emptied before it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drain {
    /// How long matches and sessions may take to end or move.
    pub deadline: Span,
    /// Whether running matches are moved where that is possible, or waited for.
    #[schemars(schema_with = "schema::drain_mode")]
    pub mode: DrainMode,
    /// What happens to what is left at the deadline: `keep` pauses the rollout.
    #[schemars(schema_with = "schema::at_deadline")]
    pub at_deadline: AtDeadline,
}

/// How often an instance that exits by itself is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restart {
    /// Restarts allowed within the window; one more and the instance has failed.
    pub attempts: u32,
    /// The window.
    pub within: Span,
}

/// One service of a resolved spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceSpec {
    /// What it holds.
    pub kind: Kind,
    /// How it is replaced, where the operator chose; otherwise planning chooses by kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// How many instances run.
    pub instances: u32,
    /// The artifact that backends without containers run.
    pub binary: String,
    /// The image that Swarm and Nomad run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Arguments of the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Variables of its own, beside those every service gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::env")]
    pub env: BTreeMap<String, String>,
    /// Secrets it finds as files.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "BTreeSet<String>")]
    pub secrets: BTreeSet<SecretName>,
    /// Plain files it finds.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "BTreeSet<String>")]
    pub configs: BTreeSet<ConfigName>,
    /// What one instance reserves.
    pub resources: Resources,
    /// Which nodes may run it.
    #[serde(default, skip_serializing_if = "Placement::is_anywhere")]
    pub placement: Placement,
    /// Its sockets.
    pub ports: Ports,
    /// How it is emptied.
    pub drain: Drain,
    /// How long a new instance may take until it is ready.
    pub ready_timeout: Span,
    /// What happens when it exits by itself.
    pub restart: Restart,
    /// How many instances a rolling update replaces at once.
    pub batch: u32,
    /// Percent of new matches the new release takes, step by step; the last is 100.
    pub weights: Vec<u32>,
    /// How long each step is watched before the next.
    pub settle: Span,
    /// Matches one instance can host; 0 for a service that hosts none.
    pub capacity: u32,
    /// Services that must be ready before it is touched.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "BTreeSet<String>")]
    pub after: BTreeSet<ServiceName>,
}

impl ServiceSpec {
    /// Returns the variables of an instance beside those every service gets: its own, and for a
    /// service that hosts matches how many, as `ARENA_<SERVICE>_CAPACITY`.
    #[must_use]
    pub fn variables(&self, name: &ServiceName) -> BTreeMap<String, String> {
        let mut variables = self.env.clone();
        if self.kind == Kind::Matches {
            let service = name.as_str().to_ascii_uppercase().replace('-', "_");
            variables.insert(format!("ARENA_{service}_CAPACITY"), self.capacity.to_string());
        }
        variables
    }
}
