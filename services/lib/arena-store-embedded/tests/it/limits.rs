//! What happens when a file may not grow any more.

use arena_store::{Registry, StoreError, Transaction};
use arena_store_embedded::{Embedded, Options};
use bytes::Bytes;

const SMALL: Options =
    Options { file_bytes_max: Some(256 << 10), lock_patience: std::time::Duration::ZERO };

/// Fills the registry; returns how many values of 8 KiB fit.
async fn fill(registry: &dyn Registry) -> usize {
    for number in 0..1_000 {
        match registry.put(&format!("k/{number}"), Bytes::from(vec![7; 8 << 10]), None).await {
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
                assert!(error.help().contains("free space"));
                return number;
            }
        }
    }
    panic!("256 KiB took 8 MiB");
}

#[tokio::test]
async fn a_full_disk_is_a_typed_error_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(folder.path(), SMALL).await.unwrap();
    let registry = embedded.stores().registry;
    let written = fill(&*registry).await;
    assert!(written > 3, "{written}");
    let both = Transaction::new().put("x", vec![1; 64 << 10]).put("y", vec![1; 64 << 10]);
    let refused = registry.transact(both).await;
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    let listing = registry.list("").await.unwrap();
    assert_eq!(listing.entries.len(), written, "all that was answered and nothing else");
    drop(registry);
    embedded.close().await;
    let embedded = crate::reopen(folder.path()).await;
    let registry = embedded.stores().registry;
    assert_eq!(registry.list("").await.unwrap(), listing);
    registry.put("more", Bytes::new(), None).await.unwrap();
}

#[tokio::test]
async fn reads_and_leases_go_on_when_the_disk_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(folder.path(), SMALL).await.unwrap();
    let registry = embedded.stores().registry;
    let lease = registry.grant_lease(std::time::Duration::from_mins(1)).await.unwrap();
    fill(&*registry).await;
    registry.keep_alive(lease).await.unwrap();
    assert!(registry.get("k/0").await.unwrap().is_some());
}
