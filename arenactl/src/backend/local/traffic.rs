//! Which release takes how much new work: the registry decides, a file remembers it for the next plan.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use arena_mesh::Identity;
use arena_types::ServiceName;
use arenactl_planning::observed::Weights;

use crate::backend::BackendError;
use crate::durable::{self, Access};
use crate::registry_client::write_traffic;
use crate::state_folder::StateFolder;

fn file(folder: &StateFolder) -> PathBuf {
    folder.region().join("traffic.json")
}

/// Returns the weights written last.
pub(super) fn in_force(
    folder: &StateFolder,
) -> Result<BTreeMap<ServiceName, Weights>, BackendError> {
    Ok(durable::read_json(&file(folder))?.unwrap_or_default())
}

/// Writes the weights of a service; an empty map removes them.
pub(super) async fn set(
    folder: &StateFolder,
    store: Option<SocketAddr>,
    service: &ServiceName,
    weights: &Weights,
) -> Result<(), BackendError> {
    if let Some(store) = store {
        let failed = |source| BackendError::Traffic { service: service.clone(), source };
        let identity = Identity::load(&folder.operator()).map_err(|error| failed(error.into()))?;
        write_traffic(identity, store, service, weights).await.map_err(failed)?;
    }
    let mut all: BTreeMap<ServiceName, Weights> =
        durable::read_json(&file(folder))?.unwrap_or_default();
    if weights.is_empty() {
        all.remove(service);
    } else {
        all.insert(service.clone(), weights.clone());
    }
    Ok(durable::write_json(&file(folder), &all, Access::Owner)?)
}
