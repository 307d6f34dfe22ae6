//! `arena.yaml`: what shall run. Read once at the edge, then trusted.

mod checked_text;
mod configs;
mod deploy;
mod error;
mod images;
mod merge;
mod placement;
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

pub use checked_text::{
    ConfigName, ConfigNameError, GameName, GameNameError, LabelName, LabelNameError, LabelValue,
    LabelValueError, SecretName, SecretNameError,
};
pub use configs::ConfigSpec;
pub use deploy::{DeploySpec, OnFailure};
pub use error::{Place, Problem, SpecError, report};
pub use images::{Images, PROGRAM};
pub use placement::Placement;
pub use ports::{Port, Ports, Publish};
pub use read::{Ask, ENVIRONMENT_DEFAULT, Read, read};
pub use regions::{Backend, GPU_KIND_DEFAULT, RegionSpec, Tls};
pub use schema::schema;
pub use secrets::{SecretSource, SecretSpec};
pub use services::{Drain, Kind, Resources, Restart, ServiceSpec, Strategy};

/// A resolved `arena.yaml`: overlays merged, defaults filled in, every value checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spec {
    /// The trust domain.
    #[schemars(with = "String")]
    pub cluster: ClusterName,
    /// The environment whose overlay was merged.
    pub environment: String,
    /// The game that new matches are of.
    #[serde(default, skip_serializing_if = "GameName::is_default")]
    #[schemars(with = "String")]
    pub game: GameName,
    /// Where images come from.
    #[serde(default, skip_serializing_if = "Images::is_default")]
    pub images: Images,
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
    /// Plain files that instances find.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, ConfigSpec>")]
    pub configs: BTreeMap<ConfigName, ConfigSpec>,
    /// The game's rules, where they differ from the standard: a JSON object, keys sorted. The config
    /// service knows them and checks them.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub rules: serde_json::Value,
}

impl Spec {
    /// Returns the image of `service`: its own where the spec names one, otherwise that of its binary.
    /// A service that the spec does not have is taken for a binary.
    #[must_use]
    pub fn image_of(&self, service: &ServiceName) -> String {
        match self.services.get(service) {
            Some(ServiceSpec { image: Some(image), .. }) => image.clone(),
            Some(spec) => self.images.named(&spec.binary),
            None => self.images.named(service.as_str()),
        }
    }

    /// Returns the image of arenactl itself, which runs its checks on the nodes.
    #[must_use]
    pub fn operator_image(&self) -> String {
        self.images.named(OPERATOR)
    }
}

/// The program of [`Spec::operator_image`].
const OPERATOR: &str = "arenactl";

/// The commented reference: every key once, with its default. It is the documentation, what
/// `arenactl init` writes, and a test of the reader.
pub const REFERENCE: &str = include_str!("spec/reference.yaml");
