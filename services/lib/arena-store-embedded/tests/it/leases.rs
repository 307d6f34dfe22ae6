//! Leases across a restart of the store.

use std::time::Duration;

use arena_store::conformance::eventually;
use arena_store::limits::LEASE_TTL_MIN;
use bytes::Bytes;
use tokio::time::Instant;

#[tokio::test]
async fn a_restart_gives_every_lease_its_full_time_again() {
    let ttl = LEASE_TTL_MIN * 4;
    let folder = tempfile::tempdir().unwrap();
    let embedded = crate::open(folder.path()).await;
    let registry = embedded.stores().registry;
    let lease = registry.grant_lease(ttl).await.unwrap();
    registry.put("instances/game/a", Bytes::new(), Some(lease)).await.unwrap();
    drop(registry);
    embedded.close().await;
    tokio::time::sleep(ttl).await; // the store is away for as long as the lease lives
    let opened = Instant::now();
    let embedded = crate::reopen(folder.path()).await;
    let registry = embedded.stores().registry;
    assert!(registry.get("instances/game/a").await.unwrap().is_some());
    assert_eq!(registry.keep_alive(lease).await, Ok(ttl));
    eventually("it ends when it is left alone", async || {
        registry.get("instances/game/a").await.unwrap().is_none()
    })
    .await;
    assert!(opened.elapsed() >= ttl);
}

#[tokio::test]
async fn a_lease_number_is_never_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = crate::open(folder.path()).await;
    let registry = embedded.stores().registry;
    let first = registry.grant_lease(Duration::from_mins(1)).await.unwrap();
    registry.revoke_lease(first).await.unwrap();
    drop(registry);
    embedded.close().await;
    let embedded = crate::reopen(folder.path()).await;
    let second = embedded.stores().registry.grant_lease(Duration::from_mins(1)).await.unwrap();
    assert!(second > first, "{second} after {first}");
}
