//! The registry of a region, written over the mesh with arenactl's own identity.

use std::error::Error;
use std::net::SocketAddr;

use arena_mesh::{Channel, Endpoint, Identity};
use arena_store_remote::{connect, is_idempotent};
use arena_types::ServiceName;
use arena_types::registry::{Traffic, traffic_key};
use arenactl_planning::observed::Weights;

/// The service that holds the registry.
pub(crate) const STORE: &str = "store";

/// Writes the shares of a service where matchmakers and balancers watch them; an empty map removes them.
pub(crate) async fn write_traffic(
    identity: Identity,
    store: SocketAddr,
    service: &ServiceName,
    weights: &Weights,
) -> Result<(), Box<dyn Error + Send + Sync>> {
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
