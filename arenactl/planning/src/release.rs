//! Releases: immutable records of everything that decides how an instance runs.

use std::collections::{BTreeMap, BTreeSet};

use arena_types::{ReleaseId, ServiceName};
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::spec::{ConfigName, Kind, Ports, Resources, Restart, SecretName, ServiceSpec, Spec};
use crate::units::Timestamp;

/// The version of the record; a reader refuses a larger one.
pub const RELEASE_VERSION: u32 = 1;

/// What one service runs: a name and the hash of its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The file's or image's name, for people.
    pub name: String,
    /// The hash by which it is stored and started.
    pub digest: Digest,
}

/// What goes into a release beside the spec. All of it is found out by the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// What each service runs.
    pub artifacts: BTreeMap<ServiceName, Artifact>,
    /// Hashes of the secrets' values. A short value must be hashed with a key by the caller.
    pub secret_hashes: BTreeMap<SecretName, Digest>,
    /// Hashes of the configs' contents.
    #[serde(default)]
    pub config_files: BTreeMap<ConfigName, Digest>,
    /// Versions of what the artifacts read and write, by name: `rules`, `state`.
    pub schema: BTreeMap<String, u32>,
    /// The revision of the sources, where there is one.
    pub git: Option<String>,
}

/// Who made a release, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// When it was made.
    pub created: Timestamp,
    /// Who made it.
    pub by: String,
    /// Why, in the operator's words; empty if nothing was said.
    pub why: String,
}

/// An immutable record: `r42`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The version of this record.
    pub version: u32,
    /// Its number.
    pub id: ReleaseId,
    /// The hash of its content: of everything but its number and origin.
    pub digest: Digest,
    /// The resolved spec.
    pub spec: Spec,
    /// What each service runs.
    pub artifacts: BTreeMap<ServiceName, Artifact>,
    /// Hash of each service's settings: arguments, variables, sockets, resources.
    pub config_hashes: BTreeMap<ServiceName, Digest>,
    /// Hashes of the secrets' values, never the values.
    pub secret_hashes: BTreeMap<SecretName, Digest>,
    /// Hashes of the configs' contents, never the contents.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config_files: BTreeMap<ConfigName, Digest>,
    /// Versions of what the artifacts read and write.
    pub schema: BTreeMap<String, u32>,
    /// The revision of the sources.
    pub git: Option<String>,
    /// Who made it, when and why.
    pub origin: Origin,
}

/// All that starts one instance of a service, but for its name and its region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Launch<'a> {
    /// What it runs.
    pub artifact: Option<&'a Artifact>,
    /// What it holds.
    pub kind: Kind,
    /// Arguments.
    pub args: &'a [String],
    /// Variables beside those every service gets.
    pub env: BTreeMap<String, String>,
    /// Secrets it finds as files, with the hash of each value.
    pub secrets: BTreeMap<&'a SecretName, Option<Digest>>,
    /// Plain files it finds, with the hash of each content.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<&'a ConfigName, Option<Digest>>,
    /// What it reserves.
    pub resources: Resources,
    /// Its sockets.
    pub ports: Ports,
    /// Matches it hosts at most.
    pub capacity: u32,
}

/// The settings of a service that only a restart changes.
#[derive(Serialize)]
struct Config<'a> {
    kind: Kind,
    args: &'a [String],
    env: &'a BTreeMap<String, String>,
    secrets: &'a BTreeSet<SecretName>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    configs: &'a BTreeSet<ConfigName>,
    resources: Resources,
    ports: Ports,
    capacity: u32,
}

impl Release {
    /// Makes the record. The digests are computed here, so the same content has the same digest.
    #[must_use]
    pub fn draft(id: ReleaseId, spec: Spec, inputs: Inputs, origin: Origin) -> Self {
        let config_hashes = spec
            .services
            .iter()
            .map(|(name, service)| (name.clone(), Digest::of_json(&Config::of(service))))
            .collect();
        let Inputs { artifacts, secret_hashes, config_files, schema, git } = inputs;
        let mut release = Self {
            version: RELEASE_VERSION,
            id,
            digest: Digest::of(&[]),
            spec,
            artifacts,
            config_hashes,
            secret_hashes,
            config_files,
            schema,
            git,
            origin,
        };
        release.digest = release.content_digest();
        release
    }

    /// Returns whether the digest fits the content, that is, whether the record is as it was written.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.digest == self.content_digest()
    }

    /// Without configs the content is what it was before there were any, so that stored releases stay
    /// intact.
    fn content_digest(&self) -> Digest {
        let content =
            (&self.spec, &self.artifacts, &self.config_hashes, &self.secret_hashes, &self.schema);
        if self.config_files.is_empty() {
            Digest::of_json(&content)
        } else {
            Digest::of_json(&(content, &self.config_files))
        }
    }

    /// Returns what starts an instance of `service`, if this release has it.
    #[must_use]
    pub fn launch(&self, service: &ServiceName) -> Option<Launch<'_>> {
        let spec = self.spec.services.get(service)?;
        Some(Launch {
            artifact: self.artifacts.get(service),
            kind: spec.kind,
            args: &spec.args,
            env: spec.variables(service),
            secrets: spec
                .secrets
                .iter()
                .map(|name| (name, self.secret_hashes.get(name).copied()))
                .collect(),
            configs: spec
                .configs
                .iter()
                .map(|name| (name, self.config_files.get(name).copied()))
                .collect(),
            resources: spec.resources,
            ports: spec.ports,
            capacity: spec.capacity,
        })
    }

    /// Returns the restart policy of `service`; changing it restarts nothing.
    #[must_use]
    pub fn restart(&self, service: &ServiceName) -> Option<Restart> {
        self.spec.services.get(service).map(|spec| spec.restart)
    }
}

impl<'a> Config<'a> {
    fn of(spec: &'a ServiceSpec) -> Self {
        Self {
            kind: spec.kind,
            args: &spec.args,
            env: &spec.env,
            secrets: &spec.secrets,
            configs: &spec.configs,
            resources: spec.resources,
            ports: spec.ports,
            capacity: spec.capacity,
        }
    }
}

#[cfg(test)]
mod tests;
