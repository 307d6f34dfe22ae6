//! Which release takes how much new work: the registry decides, a file remembers for the next plan.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use arena_types::ServiceName;
use arenactl_planning::observed::Weights;

use crate::backend::BackendError;
use crate::durable::{self, Access};
use crate::state_folder::StateFolder;

/// An error of a registry call.
type RegistryError = Box<dyn std::error::Error + Send + Sync>;

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
) -> Result<(), RegistryError> {
    if let Some(store) = store {
        write_to_registry(folder, store, service, weights).await?;
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

async fn write_to_registry(
    _folder: &StateFolder,
    _store: SocketAddr,
    _service: &ServiceName,
    _weights: &Weights,
) -> Result<(), RegistryError> {
    Ok(())
}
