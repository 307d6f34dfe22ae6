//! Watches and the bounded past.

use arena_store::{Registry, Revision, StoreError};
use bytes::Bytes;
use futures::{StreamExt, stream};

/// More commits than are kept.
const MANY: u64 = 11_000;

async fn write_many(registry: &dyn Registry) {
    let writes = (0..MANY).map(|it| registry.put("p", Bytes::from(it.to_string()), None));
    let mut writes = stream::iter(writes).buffered(256);
    while let Some(written) = writes.next().await {
        written.expect("a write is taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_slept_through_the_kept_past_is_told_to_list_again() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = crate::open(folder.path()).await;
    let registry = embedded.stores().registry;
    let mut sleeper = registry.watch("p", Revision(0)).await.unwrap();
    write_many(&*registry).await;
    let Err(StoreError::Compacted { after: 0, oldest }) =
        registry.watch("p", Revision(0)).await.map(|_| ())
    else {
        panic!("the first commits are gone")
    };
    assert!(registry.watch("p", Revision(oldest)).await.is_ok());
    let mut last = Revision(0);
    let ended = loop {
        match sleeper.next().await.expect("it ends with an error") {
            Ok(changes) => {
                assert!(changes.revision > last);
                last = changes.revision;
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, StoreError::Compacted { .. }), "{ended:?}");
    assert!(sleeper.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_watch_tells_how_far_it_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = crate::open(folder.path()).await;
    let registry = embedded.stores().registry;
    let mut quiet = registry.watch("quiet/", Revision(0)).await.unwrap();
    let reader = tokio::spawn(async move { quiet.next().await });
    write_many(&*registry).await;
    let progress = reader.await.unwrap().unwrap().unwrap();
    assert_eq!(progress.events, []);
    assert!(progress.revision >= Revision(1_000));
}

#[tokio::test]
async fn a_revision_of_another_past_is_told_to_list_again() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = crate::open(folder.path()).await;
    let outcome = embedded.stores().registry.watch("", Revision(7)).await.map(|_| ());
    assert!(matches!(outcome, Err(StoreError::Compacted { .. })), "{outcome:?}");
}
