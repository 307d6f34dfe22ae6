//! The registry lease of a child that died: ended at once, so that nobody waits for it to run out.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use arena_env::names;
use arena_mesh::{Channel, Endpoint, Identity};
use arena_store_remote::{connect, is_idempotent};
use arena_types::registry::instance_key;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::launch::Launch;

/// The service that keeps the registry; its own lease cannot be ended while it is gone.
const STORE: &str = "store";
/// Half of a lease: what takes longer ends hardly earlier than the lease does by itself.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Ends the lease of an instance in the background; `None` if it cannot have one. Gives a line for its log, or
/// nothing if it held none.
pub(super) fn end(launch: &Launch) -> Option<JoinHandle<String>> {
    let store: SocketAddr = launch.env.get(names::STORE_ADDR.name)?.parse().ok()?;
    let folder = launch.identity.as_ref()?.folder.clone();
    let key = instance_key(&launch.service.parse().ok()?, &launch.instance.parse().ok()?);
    if launch.service == STORE {
        return None;
    }
    Some(tokio::spawn(async move {
        let began = Instant::now();
        let attempt = async {
            // The instance's own certificate: it may do to its own key what the instance may.
            let identity = Identity::load(&folder)?;
            end_at(identity, store, &key).await
        };
        match timeout(TIMEOUT, attempt).await {
            Ok(Ok(true)) => format!("its lease was ended in {} ms", began.elapsed().as_millis()),
            Ok(Ok(false)) => String::new(),
            Ok(Err(error)) => format!("its lease runs out by itself: {error}"),
            Err(_) => "its lease runs out by itself: the registry does not answer".to_owned(),
        }
    }))
}

/// Ends the lease that holds `key`, if one does. A child that registered anew meanwhile has another lease.
async fn end_at(
    identity: Identity,
    store: SocketAddr,
    key: &str,
) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let channel = Channel::builder(identity)
        .service(STORE)
        .idempotent(is_idempotent)
        .pinned(Endpoint::at(store));
    let registry = connect(channel).registry;
    let Some(lease) = registry.get(key).await?.and_then(|entry| entry.lease) else {
        return Ok(false);
    };
    registry.revoke_lease(lease).await?;
    Ok(true)
}
