//! Where instances run: one trait, one implementation a kind of cluster.

pub mod local;
pub mod memory;
pub mod survey;
pub mod swarm;
pub mod tally;
pub(crate) mod unit;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use arena_mesh::CaError;
use arena_types::{InstanceId, Region, ReleaseId, ServiceName};
use arena_wire::config::v1::config_client::ConfigClient;
use arenactl_planning::observed::{Node, Observed, ObservedInstance, UnitState, Weights};
use arenactl_planning::release::{Inputs, Release};
use arenactl_planning::rollout::{Effect, Event, Rollout};
use arenactl_planning::spec::{SecretName, Spec};
use arenactl_planning::units::{Span, Timestamp};
use async_trait::async_trait;

use crate::artifacts::{ArtifactError, Remember};
use crate::config_client::{AnyChannel, ConfigError};
use crate::configs::ConfigFileError;
use crate::docker::CredentialError;
use crate::durable::FileError;
use crate::history::History;
use crate::relay::RelayError;
use crate::sample::{Answer, Reading};
use crate::secrets::SecretError;
use crate::supervisor::IdentityError;
use crate::swarm::SwarmError;
use survey::{Certificates, GpuLook, Survey};
pub use unit::Unit;

/// What acts: observes a region and performs what a rollout asks for.
#[async_trait(?Send)]
pub trait Backend {
    /// Returns the time by the clock that this backend lives in.
    fn now(&self) -> Timestamp;

    /// Returns what a release lacks here, beside programs and resources: each would stop a rollout halfway.
    ///
    /// # Errors
    /// [`BackendError`] if what runs cannot be read.
    async fn lacks(&mut self, release: &Release) -> Result<Vec<Lack>, BackendError>;

    /// Returns what a new release of `spec` is made of: programs, and hashes of secrets and files.
    async fn inputs(&mut self, spec: &Spec, remember: Remember) -> Result<Inputs, BackendError>;

    /// Returns the values of secrets that are known here, to make sure that none of them is shown.
    fn secret_values(&self, spec: &Spec) -> BTreeMap<SecretName, String>;

    /// Makes ready what a release needs before its first instance starts: programs, secrets, identities.
    /// Effects performed from now on belong to `rollout`.
    async fn prepare(&mut self, release: &Release, rollout: &str) -> Result<(), BackendError>;

    /// Returns the rules that a deploy published last; `None` before the first.
    ///
    /// # Errors
    /// [`BackendError::File`].
    async fn published_rules(&mut self) -> Result<Option<serde_json::Value>, BackendError>;

    /// Gives these rules to new matches and remembers that; returns their version. Doing it again changes
    /// nothing.
    async fn publish_rules(&mut self, rules: &serde_json::Value) -> Result<u32, BackendError>;

    /// Returns a client of the region's config service.
    async fn config(&mut self) -> Result<ConfigClient<AnyChannel>, BackendError>;

    /// Returns a channel to the mesh port of an instance, for calls of at most `timeout` with one message there and
    /// any number back.
    async fn mesh(&mut self, unit: &Unit, _timeout: Duration) -> Result<AnyChannel, BackendError> {
        Err(BackendError::no_mesh(unit))
    }

    /// Returns every instance there is, stopped ones included, ordered by name.
    async fn units(&mut self) -> Result<Vec<Unit>, BackendError>;

    /// Asks every instance at once for what `top` shows; one that is silent for a moment holds up none of the
    /// others, nor the answer.
    async fn readings(&mut self) -> Result<Vec<Reading>, BackendError> {
        let units = self.units().await?.into_iter();
        Ok(units.map(|unit| Reading::of(unit, Answer::Given)).collect())
    }

    /// Returns the shares of new work that are in force.
    async fn weights(&mut self) -> Result<BTreeMap<ServiceName, Weights>, BackendError>;

    /// Returns the machines, as far as they can be told.
    async fn nodes(&mut self) -> Result<Vec<Node>, BackendError>;

    /// Returns what `doctor` judges of a cluster; `None` where all there is is this machine.
    async fn survey(&mut self, _: &Spec, _: GpuLook) -> Result<Option<Survey>, BackendError> {
        Ok(None)
    }

    /// Returns the certificates of the instances that run.
    async fn certificates(&mut self) -> Result<Certificates, BackendError>;

    /// Writes a certificate of `uri`, good for a day, with its key and the roots into a folder of this machine.
    async fn issue_certificate(&mut self, uri: &str, folder: &Path) -> Result<(), BackendError>;

    /// Performs one effect; performing it again changes nothing.
    async fn perform(&mut self, effect: &Effect) -> Result<(), BackendError>;

    /// Stops an instance at once, whoever it holds.
    async fn kill(&mut self, instance: &InstanceId) -> Result<(), BackendError>;

    /// Returns what happened that the rollout waits for, without waiting.
    async fn look(&mut self, rollout: &Rollout) -> Result<Option<Event>, BackendError>;

    /// Returns what the last look found of an instance that a rollout waited for.
    fn seen(&self, instance: &InstanceId) -> Option<Unit>;

    /// Waits a moment for something to change, but not beyond `until`.
    async fn rest(&mut self, until: Option<Timestamp>);

    /// Returns the last `count` lines an instance wrote.
    async fn log_tail(&mut self, instance: &InstanceId, count: usize) -> Vec<String>;

    /// Takes away what runs beside instances, once none runs; the next deploy brings it back.
    async fn close(&mut self) -> Result<(), BackendError> {
        Ok(())
    }

    /// Removes the instances that were stopped before `before`; they can no longer be started again.
    async fn remove_stopped(&mut self, before: Timestamp) -> Result<(), BackendError>;

    /// Removes the programs that no `kept` release names.
    async fn remove_programs(
        &mut self,
        kept: &BTreeSet<ReleaseId>,
        releases: &BTreeMap<ReleaseId, Release>,
    ) -> Result<(), BackendError>;
}

/// Something a release needs that is not there; found before anything is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What.
    pub what: String,
    /// How to get it.
    pub help: String,
}

/// Why a backend could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// An effect names a release that the region's history does not have.
    #[error("release {release} is not in the history of this region")]
    UnknownRelease {
        /// The release.
        release: ReleaseId,
    },
    /// A release lacks a service that an effect names.
    #[error("release {release} has no service `{service}`")]
    UnknownService {
        /// The release.
        release: ReleaseId,
        /// The service.
        service: ServiceName,
    },
    /// A program is missing.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A secret has no value.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A certificate could not be issued.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The shares of new work could not be written.
    #[error("cannot write the traffic weights of `{service}`")]
    Traffic {
        /// The service.
        service: ServiceName,
        /// What the registry answered.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// New matches do not get the rules of the release.
    #[error("cannot publish the rules")]
    Rules {
        /// What is in the way.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An instance refused what the contract demands.
    #[error("{instance} refused")]
    Instance {
        /// The instance.
        instance: InstanceId,
        /// What it answered.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system refused to start or stop a process.
    #[error("cannot {doing}")]
    System {
        /// What was tried.
        doing: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The swarm failed or refused.
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    /// The way into the cluster's network failed.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// Docker's own settings do not say who one is to a registry.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The config service cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An image cannot be pinned.
    #[error("cannot find the image `{image}`")]
    Image {
        /// The image.
        image: String,
        /// What its registry says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A secret or a config that a release needs is gone from the swarm.
    #[error("the secret or config `{name}` is not in the swarm")]
    NoSecret {
        /// Its name in the swarm.
        name: String,
    },
    /// A config has no content.
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    /// The certificate authority could not be made or read.
    #[error("cannot use the certificate authority of the cluster")]
    Authority {
        /// What failed.
        source: CaError,
    },
    /// An instance cannot be called over the mesh.
    #[error("{instance} has no mesh port")]
    NoMesh {
        /// The instance.
        instance: InstanceId,
    },
    /// A rehearsal issues nothing.
    #[error("this backend has no certificate authority")]
    NoAuthority,
    /// The script of a simulated backend is wrong.
    #[error("cannot read the memory script: {why}")]
    Script {
        /// What is wrong.
        why: String,
    },
}

impl BackendError {
    /// Makes one of an instance that cannot be called.
    pub(crate) fn no_mesh(unit: &Unit) -> Self {
        Self::NoMesh { instance: unit.instance.clone() }
    }

    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::UnknownRelease { .. } | Self::UnknownService { .. } => {
                "take the region back to a known release: `arenactl rollback --to rN`".to_owned()
            }
            Self::Artifact(error) => error.help(),
            Self::Secret(error) => error.help(),
            Self::File(error) => error.help(),
            Self::Identity(_) => "check it: `arenactl certs`".to_owned(),
            Self::Traffic { .. } => {
                "check the store service: `arenactl logs store`, then `arenactl resume`".to_owned()
            }
            Self::Rules { .. } => "see `arenactl status` and `arenactl logs config`".to_owned(),
            Self::Instance { instance, .. } => {
                format!("see `arenactl logs {instance}`, then `arenactl resume`")
            }
            Self::Swarm(error) => error.help(),
            Self::Credentials(error) => error.help(),
            Self::Config(error) => error.help(),
            Self::Relay(_) => {
                "see its tasks: `docker service ps --no-trunc`, of the service named \
                               `<cluster>_<region>_operator`, then run the command again"
                    .to_owned()
            }
            Self::Image { .. } => "build and push it: `arenactl build --push`; see what there is: \
                                   `arenactl doctor`"
                .to_owned(),
            Self::NoSecret { .. } => {
                "it was removed by hand: `arenactl deploy` makes a release with a new one"
                    .to_owned()
            }
            Self::ConfigFile(error) => error.help(),
            Self::NoMesh { .. } => "see `arenactl status`: only what runs can be called".to_owned(),
            Self::NoAuthority => "leave out `--backend`".to_owned(),
            Self::Authority { .. } => {
                "see what there is: `arenactl certs list`; the first `arenactl deploy` makes one"
                    .to_owned()
            }
            Self::System { .. } => "free what is lacking, then `arenactl resume`".to_owned(),
            Self::Script { .. } => {
                "correct it; its keys are described in `arenactl/src/backend/memory/script.rs`"
                    .to_owned()
            }
        }
    }
}

/// Returns what a plan is made against.
///
/// # Errors
/// [`BackendError`].
pub async fn observe(
    backend: &mut dyn Backend,
    region: &Region,
    history: &History,
) -> Result<Observed, BackendError> {
    let mut observed = Observed::empty(region.clone());
    observed.current = history.current().map(|release| release.id);
    observed.releases.clone_from(&history.releases);
    observed.nodes = backend.nodes().await?;
    for (service, weights) in backend.weights().await? {
        observed.services.entry(service).or_default().weights = weights;
    }
    for unit in backend.units().await? {
        let service = observed.services.entry(unit.service.clone()).or_default();
        service.instances.push(ObservedInstance {
            instance: unit.instance,
            release: unit.release,
            state: unit.state,
            sessions: unit.sessions,
            matches: unit.matches,
            capacity: unit.capacity,
            node: unit.node,
        });
    }
    Ok(observed)
}

/// How often a backend of real processes is looked at: an instance's life changes in tenths of seconds.
pub(crate) const LOOK_INTERVAL: Span = Span::from_ms(100);

/// Returns where players connect: the public port of an instance that serves.
#[must_use]
pub fn public_url(units: &[Unit]) -> Option<String> {
    let serving = units.iter().filter(|unit| unit.state == UnitState::Ready);
    serving.filter_map(|unit| unit.addresses.get("public")).map(|it| format!("http://{it}/")).next()
}
