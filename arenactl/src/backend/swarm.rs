//! Docker Swarm: each instance is a service of one replica on the host network of its node.
//!
//! Swarm chooses by itself which replica of a service it stops, so a service of several cannot keep the one that
//! people play on; one service an instance can. A stopped instance is a service of no replicas. Instances share
//! the host's network, so that the gateway of a new release listens beside the old one's, and frames pass through
//! no overlay. What instances say, and what only the cluster may know, goes through the operator's relay.

mod address;
mod files;
mod images;
mod issue;
mod logs;
mod nodes;
mod observe;
mod operator;
mod perform;
mod place;
mod ports;
mod probe;
mod readings;
mod seal;
mod service;
mod stack;
mod start;
mod state;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arena_types::{InstanceId, ReleaseId, ServiceName};
use arena_wire::config::v1::config_client::ConfigClient;
use arenactl_planning::observed::{Node, Weights};
use arenactl_planning::release::{Inputs, Release};
use arenactl_planning::rollout::{Effect, Event, Rollout};
use arenactl_planning::spec::{RegionSpec, SecretName, Spec};
use arenactl_planning::units::{Span, Timestamp};
use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::artifacts::Remember;
use crate::backend::survey::{Certificates, GpuLook, Survey};
use crate::backend::{Backend, BackendError, Lack, Unit};
use crate::config_client::AnyChannel;
use crate::docker::Logins;
use crate::relay::Relay;
use crate::sample::Reading;
use crate::swarm::Swarm;
use crate::{clock, configs, rules, secrets};
pub(crate) use ports::PORTS;

pub use stack::StackFile;

/// How often a swarm is looked at: a task's state passes several managers, tenths of seconds are lost in it.
const LOOK_INTERVAL: Span = Span::from_ms(100);

/// The backend of a region whose spec says `swarm`.
#[derive(Debug)]
pub struct SwarmBackend {
    swarm: Swarm,
    /// What the spec says of the region.
    region: RegionSpec,
    /// Folder from which the spec's paths count.
    folder: PathBuf,
    /// Who one is to registries.
    logins: Logins,
    /// Releases by id, for effects that only name one.
    releases: BTreeMap<ReleaseId, Release>,
    /// Id of the rollout that effects belong to.
    rollout: String,
    /// What the last look found, by instance.
    seen: BTreeMap<InstanceId, Unit>,
    /// When an instance that was let go was last seen to hold what others may wait for, in milliseconds since 1970.
    freeing_ms: u64,
    /// What instances wrote that were stopped before they worked.
    tails: BTreeMap<InstanceId, Vec<String>>,
    /// The way into the cluster's network, once it was needed.
    relay: Option<Arc<Mutex<Relay>>>,
}

impl SwarmBackend {
    /// Makes a backend; changes nothing. `folder` is where the spec lies.
    ///
    /// # Errors
    /// [`BackendError::Credentials`] if Docker's own settings cannot be read.
    pub fn new(
        swarm: Swarm,
        region: RegionSpec,
        folder: &Path,
        releases: BTreeMap<ReleaseId, Release>,
    ) -> Result<Self, BackendError> {
        Ok(Self {
            swarm,
            region,
            folder: folder.to_path_buf(),
            logins: Logins::read()?,
            releases,
            rollout: String::new(),
            seen: BTreeMap::new(),
            freeing_ms: 0,
            tails: BTreeMap::new(),
            relay: None,
        })
    }

    fn release(&self, id: ReleaseId) -> Result<&Release, BackendError> {
        self.releases.get(&id).ok_or(BackendError::UnknownRelease { release: id })
    }
}

#[async_trait(?Send)]
impl Backend for SwarmBackend {
    fn now(&self) -> Timestamp {
        Timestamp(clock::now_ms())
    }

    async fn lacks(&mut self, release: &Release) -> Result<Vec<Lack>, BackendError> {
        let mut lacks: Vec<Lack> = secrets::no_drain_token(release).into_iter().collect();
        lacks.extend(self.missing_files(release).await?);
        lacks.extend(self.foreign_services(release).await?);
        lacks.extend(rules::lacks(release));
        Ok(lacks)
    }

    async fn inputs(&mut self, spec: &Spec, _: Remember) -> Result<Inputs, BackendError> {
        Ok(Inputs {
            artifacts: self.pinned_images(spec).await?,
            secret_hashes: files::secret_hashes(spec)?,
            config_files: configs::hashes(spec, &self.folder)?,
            ..Inputs::default()
        })
    }

    fn secret_values(&self, spec: &Spec) -> BTreeMap<SecretName, String> {
        secrets::given_values(&spec.secrets)
    }

    async fn prepare(&mut self, release: &Release, rollout: &str) -> Result<(), BackendError> {
        self.releases.insert(release.id, release.clone());
        rollout.clone_into(&mut self.rollout);
        self.ensure_files(release).await?;
        self.ensure_operator(release).await
    }

    async fn published_rules(&mut self) -> Result<Option<serde_json::Value>, BackendError> {
        self.rules_in_force().await
    }

    async fn publish_rules(&mut self, rules: &serde_json::Value) -> Result<u32, BackendError> {
        self.publish(rules).await
    }

    async fn config(&mut self) -> Result<ConfigClient<AnyChannel>, BackendError> {
        self.config_channel().await
    }

    async fn mesh(&mut self, unit: &Unit, timeout: Duration) -> Result<AnyChannel, BackendError> {
        self.mesh_channel(unit, timeout).await
    }

    async fn units(&mut self) -> Result<Vec<Unit>, BackendError> {
        let seen = self.see().await?;
        let all: Vec<_> = seen.instances.keys().cloned().collect();
        self.look_at(&seen, &all).await
    }

    async fn readings(&mut self) -> Result<Vec<Reading>, BackendError> {
        self.read_all().await
    }

    async fn weights(&mut self) -> Result<BTreeMap<ServiceName, Weights>, BackendError> {
        self.weights_in_force().await
    }

    async fn nodes(&mut self) -> Result<Vec<Node>, BackendError> {
        let seen = self.see().await?;
        Ok(nodes::figures(&seen, &self.region.gpu_kind))
    }

    async fn survey(&mut self, spec: &Spec, gpus: GpuLook) -> Result<Option<Survey>, BackendError> {
        Box::pin(self.survey_all(spec, gpus)).await.map(Some)
    }

    async fn certificates(&mut self) -> Result<Certificates, BackendError> {
        let seen = self.see().await?;
        self.certificates_in_use(&seen).await
    }

    async fn issue_certificate(&mut self, uri: &str, folder: &Path) -> Result<(), BackendError> {
        self.issue_into(uri, folder).await
    }

    async fn perform(&mut self, effect: &Effect) -> Result<(), BackendError> {
        self.perform_effect(effect).await
    }

    async fn kill(&mut self, instance: &InstanceId) -> Result<(), BackendError> {
        self.end(instance).await
    }

    async fn look(&mut self, rollout: &Rollout) -> Result<Option<Event>, BackendError> {
        self.look_for(rollout).await
    }

    fn seen(&self, instance: &InstanceId) -> Option<Unit> {
        self.seen.get(instance).cloned()
    }

    async fn rest(&mut self, until: Option<Timestamp>) {
        let left = until.map_or(LOOK_INTERVAL, |until| until.since(self.now()).min(LOOK_INTERVAL));
        tokio::time::sleep(left.as_duration()).await;
    }

    async fn log_tail(&mut self, instance: &InstanceId, count: usize) -> Vec<String> {
        self.tail(instance, count).await
    }

    async fn close(&mut self) -> Result<(), BackendError> {
        self.remove_operator().await
    }

    async fn remove_stopped(&mut self, before: Timestamp) -> Result<(), BackendError> {
        self.remove_old(before).await
    }

    async fn remove_programs(
        &mut self,
        kept: &BTreeSet<ReleaseId>,
        releases: &BTreeMap<ReleaseId, Release>,
    ) -> Result<(), BackendError> {
        self.remove_files(kept, releases).await
    }
}
