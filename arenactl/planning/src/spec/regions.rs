//! `regions`: where Arena runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What starts and stops instances in a region.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Supervised processes on this machine.
    Local,
    /// Docker Swarm.
    Swarm,
    /// Nomad.
    Nomad,
}

/// One cluster behind one orchestrator endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RegionSpec {
    /// What starts and stops instances there.
    pub backend: Backend,
    /// Where the orchestrator answers; `local` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// GPUs of the whole region, where they are known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// GPUs of its largest node, where they are known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus_per_node: Option<u32>,
}
