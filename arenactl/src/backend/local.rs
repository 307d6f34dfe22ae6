//! Supervised processes on this machine: the default, nothing to install.
//!
//! Each instance has a folder and a supervisor of its own; this backend only starts supervisors, asks
//! side ports and talks to control sockets. It holds no state: killed and started again, it sees the same.

mod perform;
mod preflight;
mod readings;
mod start;
mod traffic;
mod unit;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use arena_mesh::Material;
use arena_types::{ClusterName, InstanceId, Region, ReleaseId, ServiceName};
use arenactl_planning::Digest;
use arenactl_planning::history;
use arenactl_planning::observed::{Node, UnitState, Weights};
use arenactl_planning::release::{Artifact, Inputs, Release};

use arena_wire::config::v1::config_client::ConfigClient;
use arenactl_planning::rollout::{Effect, Event, Rollout};
use arenactl_planning::spec::{SecretName, Spec};
use arenactl_planning::units::{Bytes, Cpus, Timestamp};
use async_trait::async_trait;

use crate::artifacts::{Artifacts, Remember};
use crate::backend::survey::{Certificate, Certificates};
use crate::backend::{Backend, BackendError, LOOK_INTERVAL, Lack, Unit};
use crate::config_client::{self, Active, AnyChannel, ConfigError};
use crate::durable::{self, Access};
use crate::sample::{Channels, Reading};
use crate::state_folder::StateFolder;
use crate::supervisor::{self, Authority, launch::log_folder, operator_uri};
use crate::{clock, configs, process, rules, secrets};

/// The backend of region `local`, and of every region whose spec says so.
#[derive(Debug)]
pub struct Local {
    pub(crate) cluster: ClusterName,
    pub(crate) region: Region,
    pub(crate) folder: StateFolder,
    pub(crate) artifacts: Artifacts,
    /// Folder in which the programs of a new release are found.
    pub(crate) programs: PathBuf,
    /// Folder from which the spec's paths count.
    pub(crate) spec_folder: PathBuf,
    /// Releases by id, for effects that only name one.
    pub(crate) releases: BTreeMap<ReleaseId, Release>,
    /// Id of the rollout that effects belong to.
    pub(crate) rollout: String,
    /// What the last look found, by instance.
    pub(crate) seen: BTreeMap<InstanceId, Unit>,
    /// Connections to instances that were asked for their matches.
    pub(crate) channels: Option<Channels>,
}

impl Local {
    /// Makes a backend; touches nothing.
    #[must_use]
    pub fn new(
        cluster: ClusterName,
        region: Region,
        folder: StateFolder,
        programs: PathBuf,
        spec_folder: PathBuf,
        releases: BTreeMap<ReleaseId, Release>,
    ) -> Self {
        let artifacts = Artifacts::new(&folder.artifacts());
        let (rollout, seen) = (String::new(), BTreeMap::new());
        Self {
            cluster,
            region,
            folder,
            artifacts,
            programs,
            spec_folder,
            releases,
            rollout,
            seen,
            channels: None,
        }
    }

    /// The file that remembers which rules a deploy published last.
    fn published(&self) -> PathBuf {
        self.folder.region().join("rules.json")
    }

    /// Keeps the content of every config of a release, so that a rollback finds it.
    fn keep_configs(&self, release: &Release) -> Result<(), BackendError> {
        for (name, digest) in &release.config_files {
            let path = self.folder.configs().join(digest.to_string());
            if !path.is_file() {
                let content = configs::content(release, name, *digest, &self.spec_folder)?;
                durable::private_folder(&self.folder.configs())?;
                durable::write(&path, &content, Access::Owner)?;
            }
        }
        Ok(())
    }

    /// Programs are named by their bytes.
    fn programs_of(
        &self,
        spec: &Spec,
        remember: Remember,
    ) -> Result<BTreeMap<ServiceName, Artifact>, BackendError> {
        let mut known: BTreeMap<&str, Digest> = BTreeMap::new();
        let mut artifacts = BTreeMap::new();
        for (service, wanted) in &spec.services {
            let name = wanted.binary.as_str();
            let digest = match known.get(name) {
                Some(digest) => *digest,
                None => self.artifacts.known_digest(&self.programs.join(name), remember)?,
            };
            known.insert(name, digest);
            artifacts.insert(service.clone(), Artifact { name: name.to_owned(), digest });
        }
        Ok(artifacts)
    }

    pub(crate) fn release(&self, id: ReleaseId) -> Result<&Release, BackendError> {
        self.releases.get(&id).ok_or(BackendError::UnknownRelease { release: id })
    }
}

#[async_trait(?Send)]
impl Backend for Local {
    fn now(&self) -> Timestamp {
        Timestamp(clock::now_ms())
    }

    async fn lacks(&mut self, release: &Release) -> Result<Vec<Lack>, BackendError> {
        let mut lacks = preflight::lacks(&self.folder, release)?;
        lacks.extend(preflight::lost_configs(&self.folder, &self.spec_folder, release));
        lacks.extend(rules::lacks(release));
        Ok(lacks)
    }

    async fn inputs(&mut self, spec: &Spec, remember: Remember) -> Result<Inputs, BackendError> {
        Ok(Inputs {
            artifacts: self.programs_of(spec, remember)?,
            secret_hashes: secrets::hashes(&spec.secrets, &self.folder.secrets())?,
            config_files: configs::hashes(spec, &self.spec_folder)?,
            ..Inputs::default()
        })
    }

    fn secret_values(&self, spec: &Spec) -> BTreeMap<SecretName, String> {
        secrets::values(&spec.secrets, &self.folder.secrets())
    }

    async fn prepare(&mut self, release: &Release, rollout: &str) -> Result<(), BackendError> {
        for artifact in release.artifacts.values() {
            if self.artifacts.path(&artifact.digest.to_string()).is_err() {
                self.artifacts.store(&self.programs.join(&artifact.name))?;
            }
        }
        secrets::ensure(&release.spec.secrets, &release.secret_hashes, &self.folder.secrets())?;
        self.keep_configs(release)?;
        let authority = Authority::ensure(self.cluster.as_str(), &self.folder.authority())?;
        authority.issue(&operator_uri(self.cluster.as_str()), &self.folder.operator())?;
        self.releases.insert(release.id, release.clone());
        self.rollout = rollout.to_owned();
        Ok(())
    }

    async fn published_rules(&mut self) -> Result<Option<serde_json::Value>, BackendError> {
        Ok(durable::read_json(&self.published())?)
    }

    async fn publish_rules(&mut self, rules: &serde_json::Value) -> Result<u32, BackendError> {
        let refused = |error: ConfigError| BackendError::Rules { source: error.into() };
        let units = self.units().await?;
        let client = config_client::connect(&self.cluster, &self.region, &self.folder, &units);
        let mut client = client.map_err(refused)?;
        let published =
            config_client::publish(&mut client, rules, "arena.yaml", Active::FromNowOn).await;
        let version = published.map_err(refused)?;
        durable::write_json(&self.published(), rules, Access::Owner)?;
        Ok(version)
    }

    async fn config(&mut self) -> Result<ConfigClient<AnyChannel>, BackendError> {
        let units = self.units().await?;
        Ok(config_client::connect(&self.cluster, &self.region, &self.folder, &units)?)
    }

    async fn mesh(&mut self, unit: &Unit, _: Duration) -> Result<AnyChannel, BackendError> {
        self.mesh_channel(unit)
    }

    async fn units(&mut self) -> Result<Vec<Unit>, BackendError> {
        // Side by side: one instance that does not answer must not hold up the view of all others.
        let mut looks = tokio::task::JoinSet::new();
        for folder in unit::folders(&self.folder.instances())? {
            looks.spawn(async move { unit::look(&folder).await });
        }
        let mut units = Vec::new();
        while let Some(looked) = looks.join_next().await {
            units.extend(looked.expect("a look neither panics nor is cancelled")?);
        }
        units.sort_by(|one: &Unit, other| one.instance.cmp(&other.instance));
        Ok(units)
    }

    async fn readings(&mut self) -> Result<Vec<Reading>, BackendError> {
        self.read_all().await
    }

    async fn weights(&mut self) -> Result<BTreeMap<ServiceName, Weights>, BackendError> {
        traffic::in_force(&self.folder)
    }

    async fn nodes(&mut self) -> Result<Vec<Node>, BackendError> {
        Ok(vec![this_machine()])
    }

    async fn certificates(&mut self) -> Result<Certificates, BackendError> {
        let units = self.units().await?;
        let running = units.iter().filter(|unit| unit.state != UnitState::Stopped);
        let certificate = |unit: &Unit| {
            let folder = self.folder.instance(unit.instance.as_str()).join("identity");
            let material = Material::load(&folder).ok()?;
            let (id, not_after) = (material.id().to_string(), material.not_after());
            Some(Certificate { instance: unit.instance.clone(), id, not_after })
        };
        let authority = self.folder.authority();
        let state = if authority.exists() { "" } else { " (made by the first deploy)" };
        Ok(Certificates {
            authority: format!("{}{state}", authority.display()),
            list: running.filter_map(certificate).collect(),
        })
    }

    async fn issue_certificate(&mut self, uri: &str, folder: &Path) -> Result<(), BackendError> {
        let authority = Authority::ensure(self.cluster.as_str(), &self.folder.authority())?;
        Ok(authority.issue(uri, folder)?)
    }

    async fn perform(&mut self, effect: &Effect) -> Result<(), BackendError> {
        self.perform_effect(effect).await
    }

    async fn kill(&mut self, instance: &InstanceId) -> Result<(), BackendError> {
        self.kill_instance(instance)
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
        supervisor::tail(&log_folder(&self.folder.instance(instance.as_str())), count)
    }

    async fn remove_stopped(&mut self, before: Timestamp) -> Result<(), BackendError> {
        unit::remove_stopped(&self.folder, before)
    }

    async fn remove_programs(
        &mut self,
        kept: &BTreeSet<ReleaseId>,
        releases: &BTreeMap<ReleaseId, Release>,
    ) -> Result<(), BackendError> {
        let stored = self.artifacts.stored()?;
        for digest in history::garbage(&stored, kept, releases) {
            self.artifacts.remove(digest)?;
        }
        preflight::remove_configs(&self.folder, kept, releases)
    }
}

/// proc(5): `MemTotal` in KiB.
fn this_machine() -> Node {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = meminfo
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok()
        })
        .unwrap_or(0_u64);
    Node {
        name: process::host_name(),
        cpus: Cpus::from_milli(cores as u32 * 1_000),
        memory: Bytes::new(kib / 1024 * 1024 * 1024), // Whole MiB read better.
        gpus: 0,
        gpus_free: 0,
        gpu_kind: String::new(),
        gpu_holders: BTreeMap::new(),
        cpus_free: None, // Processes here reserve nothing.
        memory_free: None,
        labels: BTreeMap::new(),
    }
}
