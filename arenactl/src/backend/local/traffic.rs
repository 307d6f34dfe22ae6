//! Which release takes how much new work: the registry decides, a file remembers it for the next plan.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use arena_mesh::{Channel, Endpoint, Identity};
use arena_store_remote::{connect, is_idempotent};
use arena_types::ServiceName;
use arena_types::registry::{Traffic, traffic_key};
use arenactl_planning::observed::Weights;

use super::start::STORE;
use crate::backend::BackendError;
use crate::durable::{self, Access};
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
        let written = write_to_registry(folder, store, service, weights).await;
        let service = service.clone();
        written.map_err(|source| BackendError::Traffic { service, source })?;
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

/// Writes the weights where matchmakers and balancers watch them.
async fn write_to_registry(
    folder: &StateFolder,
    store: SocketAddr,
    service: &ServiceName,
    weights: &Weights,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let identity = Identity::load(&folder.operator())?;
    let channel = Channel::builder(identity)
        .service(STORE)
        .idempotent(is_idempotent)
        .pinned(Endpoint::at(store));
    let registry = connect(channel).registry;
    let key = traffic_key(service);
    if weights.is_empty() {
        registry.delete(&key).await?;
    } else {
        let traffic = Traffic { weights: weights.clone() };
        registry.put(&key, serde_json::to_vec(&traffic)?.into(), None).await?;
    }
    Ok(())
}
