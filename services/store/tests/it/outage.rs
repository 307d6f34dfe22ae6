//! What clients see while the store is away and after.

use std::time::Duration;

use arena_store::conformance::{PATIENCE, eventually, next};
use arena_store::{Revision, StoreError, Transaction};
use bytes::Bytes;
use futures::StreamExt;

use crate::mesh::{OPEN, Service};

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_after_a_restart_without_loss_or_repetition() {
    let mut service = Service::start(&OPEN).await;
    let registry = service.stores("tester").registry;
    let mut watch = registry.watch("k/", Revision(0)).await.unwrap();
    let before = registry.put("k/1", Bytes::from("a"), None).await.unwrap();
    assert_eq!(next(&mut watch).await.revision, before);
    service.stop().await;
    service.start_again(&OPEN).await;
    let both = Transaction::new().put("k/2", "b").put("k/3", "c");
    let mut after = None;
    eventually("the store takes writes again", async || {
        let outcome = registry.transact(both.clone()).await;
        after = outcome.ok().and_then(|it| it.revision());
        after.is_some()
    })
    .await;
    let changes = next(&mut watch).await;
    assert_eq!((Some(changes.revision), changes.events.len()), (after, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_calls_say_so_within_their_deadline() {
    let mut service = Service::start(&OPEN).await;
    let stores = service.stores("tester");
    stores.registry.put("a", Bytes::from("1"), None).await.unwrap();
    service.stop().await;
    let started = tokio::time::Instant::now();
    let read = stores.registry.get("a").await;
    assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
    let written = stores.registry.put("a", Bytes::from("2"), None).await;
    assert!(written.as_ref().is_err_and(StoreError::is_outage), "{written:?}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    service.start_again(&OPEN).await;
    eventually("it answers again", async || stores.registry.get("a").await.is_ok()).await;
    assert_eq!(stores.registry.get("a").await.unwrap().unwrap().value, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_outlives_a_restart_that_is_longer_than_it() {
    let mut service = Service::start(&OPEN).await;
    let registry = service.stores("tester").registry;
    let ttl = Duration::from_secs(2);
    let lease = registry.grant_lease(ttl).await.unwrap();
    registry.put("instances/game/1", Bytes::from("{}"), Some(lease)).await.unwrap();
    service.stop().await;
    tokio::time::sleep(ttl).await; // the absence is the test
    service.start_again(&OPEN).await;
    eventually("the lease is kept alive", async || registry.keep_alive(lease).await.is_ok()).await;
    assert!(registry.get("instances/game/1").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_watch_has_a_heartbeat() {
    let service = Service::start(&OPEN).await;
    let registry = service.stores("tester").registry;
    let mut watch = registry.watch("quiet/", Revision(0)).await.unwrap();
    for _ in 0..2 {
        let beat = tokio::time::timeout(PATIENCE, watch.next()).await.expect("in time");
        assert_eq!(beat.unwrap().unwrap().events, []);
    }
}
