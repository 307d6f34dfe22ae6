//! `arena.yaml`: what shall run. Read once at the edge, then trusted.

mod deploy;
mod error;
mod merge;
mod ports;
mod read;
mod read_service;
mod regions;
mod rules;
mod schema;
mod secrets;
mod section;
mod services;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use arena_types::{ClusterName, Region, ServiceName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use deploy::{DeploySpec, OnFailure};
pub use error::{Place, Problem, SpecError, report};
pub use ports::{Port, Ports};
pub use read::{Ask, ENVIRONMENT_DEFAULT, Read, read};
pub use regions::{Backend, RegionSpec};
pub use schema::schema;
pub use secrets::{SecretName, SecretNameError, SecretSource, SecretSpec};
pub use services::{Drain, Kind, Resources, Restart, ServiceSpec, Strategy};

/// A resolved `arena.yaml`: overlays merged, defaults filled in, every value checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spec {
    /// The trust domain.
    #[schemars(with = "String")]
    pub cluster: ClusterName,
    /// The environment whose overlay was merged.
    pub environment: String,
    /// Where Arena runs.
    #[schemars(with = "BTreeMap<String, RegionSpec>")]
    pub regions: BTreeMap<Region, RegionSpec>,
    /// What runs.
    #[schemars(with = "BTreeMap<String, ServiceSpec>")]
    pub services: BTreeMap<ServiceName, ServiceSpec>,
    /// Settings of every rollout.
    pub deploy: DeploySpec,
    /// Where secrets come from.
    #[schemars(with = "BTreeMap<String, SecretSpec>")]
    pub secrets: BTreeMap<SecretName, SecretSpec>,
    /// The game's rules, where they differ from the standard: a JSON object, keys sorted. The config
    /// service knows them and checks them.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub rules: serde_json::Value,
}

/// The commented reference: every key once, with its default. It is the documentation, what
/// `arenactl init` writes, and a test of the reader.
pub const REFERENCE: &str = include_str!("spec/reference.yaml");
