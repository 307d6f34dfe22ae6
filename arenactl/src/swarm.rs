//! One region's objects in a Docker Swarm: told apart by labels, written by compare-and-swap.
//!
//! A config is created atomically (a taken name is 409), its data never changes, and its labels are replaced
//! whole under the version that was read: enough for a lock, a journal and a history that every manager has.

mod error;
mod names;
mod record;

use std::future::Future;
use std::time::Duration;

use arena_types::{ClusterName, Region};
use bollard::Docker;
use bollard::errors::Error as BollardError;
use bollard::models::{LocalNodeState, SystemInfo};
use tokio::time::Instant;

use crate::docker::{self, DockerError, Tls};
pub use error::SwarmError;
pub(crate) use names::{Kind, label};
pub(crate) use record::{Record, Swap};

/// A daemon that restarts is back within this time; longer, and the operator is told.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two tries to reach a daemon.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// A manager of the swarm that runs one region of one cluster.
#[derive(Clone, Debug)]
pub struct Swarm {
    pub(crate) docker: Docker,
    pub(crate) endpoint: String,
    pub(crate) cluster: ClusterName,
    pub(crate) region: Region,
    /// The id of the node that answers at the endpoint.
    pub(crate) node_id: String,
}

impl Swarm {
    /// Connects to a manager.
    ///
    /// # Errors
    /// [`SwarmError::Docker`], and [`SwarmError::NotManager`] if the engine cannot steer a swarm.
    pub async fn connect(
        endpoint: &str,
        tls: Option<&Tls>,
        cluster: ClusterName,
        region: Region,
    ) -> Result<Self, SwarmError> {
        let docker = docker::connect(endpoint, tls).await.map_err(SwarmError::connecting)?;
        let failed = |error| SwarmError::connecting(DockerError::of(endpoint, error));
        let info = docker.info().await.map_err(failed)?;
        let node_id = manager(endpoint, &info)?;
        Ok(Self { docker, endpoint: endpoint.to_owned(), cluster, region, node_id })
    }

    /// Asks the manager, again while its daemon is away: every call of ours may be repeated.
    ///
    /// # Errors
    /// [`SwarmError::Docker`] with what was to be done.
    pub(crate) async fn ask<T, F>(
        &self,
        doing: impl FnOnce() -> String,
        call: impl Fn() -> F,
    ) -> Result<T, SwarmError>
    where
        F: Future<Output = Result<T, BollardError>>,
    {
        let began = Instant::now();
        loop {
            let source = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => DockerError::of(&self.endpoint, error),
            };
            if !is_away(&source) || began.elapsed() >= PATIENCE {
                return Err(SwarmError::Docker { doing: doing(), source });
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
}

/// Says whether asking again may help. A swarm without a leader says so with 500 or 503 until it has one.
fn is_away(error: &DockerError) -> bool {
    match error {
        DockerError::Unreachable { .. } | DockerError::Lost { .. } => true,
        DockerError::Refused { status: 500 | 503, message } => {
            message.contains("does not have a leader")
                || message.contains("context deadline exceeded")
        }
        _ => false,
    }
}

/// Returns the id of a node that may steer its swarm.
fn manager(endpoint: &str, info: &SystemInfo) -> Result<String, SwarmError> {
    let swarm = info.swarm.as_ref();
    let is_manager = swarm.and_then(|it| it.control_available).unwrap_or(false);
    if let Some(node_id) = swarm.and_then(|it| it.node_id.clone()).filter(|_| is_manager) {
        return Ok(node_id);
    }
    let state = swarm.and_then(|it| it.local_node_state);
    let is_worker = state == Some(LocalNodeState::ACTIVE);
    Err(SwarmError::NotManager { endpoint: endpoint.to_owned(), is_worker })
}
