//! Watches of a registry.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;

use super::next;
use crate::{Changes, Event, Registry, Revision, Transaction};

/// Commits of the past a watch has to read again; more than one page of any adapter.
const LONG_PAST: u64 = 1_500;

fn summary(changes: &Changes) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::Put(entry) => format!("{}={}", entry.key, String::from_utf8_lossy(&entry.value)),
        Event::Delete { key } => format!("{key} gone"),
    };
    changes.events.iter().map(line).collect()
}

pub async fn a_watch_sees_every_commit_after_its_revision(registry: &dyn Registry) {
    registry.put("a", Bytes::from_static(b"before"), None).await.unwrap();
    let after = registry.list("").await.unwrap().revision;
    let past = registry.put("a", Bytes::from_static(b"past"), None).await.unwrap();
    let mut watch = registry.watch("", after).await.unwrap();
    let now = registry.put("a", Bytes::from_static(b"now"), None).await.unwrap();
    let gone = registry.delete("a").await.unwrap();
    for (revision, what) in [(past, "a=past"), (now, "a=now"), (gone, "a gone")] {
        let changes = next(&mut watch).await;
        assert_eq!((changes.revision, summary(&changes)), (revision, vec![what.to_owned()]));
    }
}

pub async fn a_watch_sees_only_its_prefix(registry: &dyn Registry) {
    let mut watch = registry.watch("b/", Revision(0)).await.unwrap();
    for key in ["a/1", "b/1", "b0", "b/2"] {
        registry.put(key, Bytes::new(), None).await.unwrap();
    }
    assert_eq!(summary(&next(&mut watch).await), ["b/1="]);
    assert_eq!(summary(&next(&mut watch).await), ["b/2="]);
}

pub async fn a_commit_is_seen_whole(registry: &dyn Registry) {
    registry.put("w/2", Bytes::new(), None).await.unwrap();
    let after = registry.list("").await.unwrap().revision;
    let mut live = registry.watch("w/", after).await.unwrap();
    let transaction = Transaction::new().put("w/1", "x").delete("w/2").put("w/3", "y").put("z", "");
    let revision = registry.transact(transaction).await.unwrap().revision().unwrap();
    let mut late = registry.watch("w/", after).await.unwrap();
    for watch in [&mut live, &mut late] {
        let changes = next(watch).await;
        assert_eq!(changes.revision, revision);
        assert_eq!(summary(&changes), ["w/1=x", "w/2 gone", "w/3=y"]);
    }
}

pub async fn a_watch_sees_keys_vanish_with_their_lease(registry: &dyn Registry) {
    let lease = registry.grant_lease(Duration::from_millis(500)).await.unwrap();
    let transaction = Transaction::new().put_leased("l/1", "", lease).put_leased("l/2", "", lease);
    let revision = registry.transact(transaction).await.unwrap().revision().unwrap();
    let mut watch = registry.watch("l/", revision).await.unwrap();
    let changes = next(&mut watch).await;
    assert_eq!(summary(&changes), ["l/1 gone", "l/2 gone"]);
    assert_eq!(registry.list("l/").await.unwrap().entries, []);
}

pub async fn a_watch_catches_up_with_a_long_past(registry: &dyn Registry) {
    let after = registry.list("").await.unwrap().revision;
    let writes = (0..LONG_PAST).map(|it| registry.put("p", Bytes::from(it.to_string()), None));
    let mut writes = futures::stream::iter(writes).buffered(64);
    while let Some(written) = writes.next().await {
        written.unwrap();
    }
    let mut watch = registry.watch("p", after).await.unwrap();
    for step in 1..=LONG_PAST {
        assert_eq!(next(&mut watch).await.revision, Revision(after.0 + step));
    }
}

pub async fn two_watches_see_the_same(registry: &dyn Registry) {
    let mut first = registry.watch("", Revision(0)).await.unwrap();
    let mut second = registry.watch("", Revision(0)).await.unwrap();
    for number in 0..100 {
        registry.put(&format!("k/{}", number % 7), Bytes::new(), None).await.unwrap();
    }
    for _ in 0..100 {
        assert_eq!(next(&mut first).await, next(&mut second).await);
    }
}
