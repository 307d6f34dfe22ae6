//! `arena.yaml`: what shall run. Read once at the edge, then trusted.

mod deploy;
mod regions;
mod secrets;
mod services;

use std::collections::BTreeMap;

use arena_types::{ClusterName, Region, ServiceName};
use serde::{Deserialize, Serialize};

pub use deploy::{DeploySpec, OnFailure};
pub use regions::{Backend, RegionSpec};
pub use secrets::{SecretName, SecretNameError, SecretSource, SecretSpec};
pub use services::{Drain, Kind, Port, Ports, Resources, Restart, ServiceSpec, Strategy};

/// A resolved `arena.yaml`: overlays merged, defaults filled in, every value checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The trust domain.
    pub cluster: ClusterName,
    /// The environment whose overlay was merged.
    pub environment: String,
    /// Where Arena runs.
    pub regions: BTreeMap<Region, RegionSpec>,
    /// What runs.
    pub services: BTreeMap<ServiceName, ServiceSpec>,
    /// Settings of every rollout.
    pub deploy: DeploySpec,
    /// Where secrets come from.
    pub secrets: BTreeMap<SecretName, SecretSpec>,
    /// The game's rules, where they differ from the standard: a JSON object, keys sorted. The config
    /// service knows them and checks them.
    pub rules: serde_json::Value,
}
