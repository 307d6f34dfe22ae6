//! A live copy of a part of the registry that outlives the registry's absence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arena_store::{Changes, Event, Registry, Revision, StoreError};
use bytes::Bytes;
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::sleep;

/// First pause after a failure: a store that restarts is back within a second.
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// Longest pause: a watcher must not be the last to know.
const RETRY_LAST: Duration = Duration::from_secs(1);

/// Keys below a prefix, without it, with their values.
pub type Entries = Arc<BTreeMap<String, Bytes>>;

/// A live copy of all keys below a prefix. If the registry is away the last copy stays.
///
/// Cheap to clone; the copying ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Mirror {
    prefix: Arc<str>,
    entries: watch::Receiver<Option<Entries>>,
}

impl Mirror {
    /// Starts copying.
    #[must_use]
    pub fn start(registry: Arc<dyn Registry>, prefix: &str) -> Self {
        let (sender, entries) = watch::channel(None);
        let prefix: Arc<str> = prefix.into();
        tokio::spawn(copy(registry, prefix.clone(), sender));
        Self { prefix, entries }
    }

    /// Returns what every key begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Waits for the first copy and returns the newest.
    ///
    /// # Panics
    /// If the runtime that copies is shut down.
    pub async fn first(&mut self) -> Entries {
        let copy = self.entries.wait_for(Option::is_some).await;
        copy.expect("the copying ends after the last mirror").clone().expect("waited for it")
    }

    /// Returns the newest copy, empty before the first.
    #[must_use]
    pub fn now(&self) -> Entries {
        self.entries.borrow().clone().unwrap_or_default()
    }

    /// Waits until something changed since the last call, and returns the newest copy.
    pub async fn changed(&mut self) -> Entries {
        loop {
            if self.entries.changed().await.is_err() {
                std::future::pending::<()>().await; // the runtime is shutting down
            }
            if let Some(entries) = self.entries.borrow_and_update().clone() {
                return entries;
            }
        }
    }

    /// Parses a copy's values as JSON by key; what cannot be parsed is logged and left out.
    #[must_use]
    pub fn parsed<T: DeserializeOwned>(&self, entries: &Entries) -> BTreeMap<String, T> {
        let parse = |(key, value): (&String, &Bytes)| match serde_json::from_slice(value) {
            Ok(value) => Some((key.clone(), value)),
            Err(error) => {
                let key = format!("{}{key}", self.prefix);
                tracing::warn!(key, %error, "a registry value is not what it should be");
                None
            }
        };
        entries.iter().filter_map(parse).collect()
    }
}

async fn copy(
    registry: Arc<dyn Registry>,
    prefix: Arc<str>,
    sender: watch::Sender<Option<Entries>>,
) {
    let mut pause = RETRY_FIRST;
    let mut after = None;
    loop {
        let followed = tokio::select! {
            followed = follow(&*registry, &prefix, &sender, &mut after) => followed,
            () = sender.closed() => return,
        };
        match followed {
            Ok(()) => {}
            Err(StoreError::Compacted { .. }) => after = None,
            Err(error) => {
                tracing::warn!(%prefix, %error, ?pause, "the registry is away, the last copy stays");
                sleep(pause).await;
                pause = (pause * 2).min(RETRY_LAST);
                continue;
            }
        }
        pause = RETRY_FIRST;
        sleep(pause).await; // a watch that ends without an error is asked for again, not in a spin
    }
}

/// Lists unless it was listed before, then applies commits until the watch ends.
async fn follow(
    registry: &dyn Registry,
    prefix: &str,
    sender: &watch::Sender<Option<Entries>>,
    after: &mut Option<Revision>,
) -> Result<(), StoreError> {
    let from = if let Some(revision) = *after {
        revision
    } else {
        let listing = registry.list(prefix).await?;
        let strip = |key: &str| key.strip_prefix(prefix).unwrap_or(key).to_owned();
        let entries = listing.entries.into_iter().map(|it| (strip(&it.key), it.value)).collect();
        sender.send_if_modified(|it| replace(it, entries));
        *after = Some(listing.revision);
        listing.revision
    };
    let mut changes = registry.watch(prefix, from).await?;
    while let Some(commit) = changes.next().await {
        let Changes { revision, events } = commit?;
        *after = Some(revision);
        if !events.is_empty() {
            sender.send_if_modified(|it| apply(it, prefix, events));
        }
    }
    Ok(())
}

fn replace(entries: &mut Option<Entries>, new: BTreeMap<String, Bytes>) -> bool {
    let changed = entries.as_ref().is_none_or(|it| **it != new);
    *entries = Some(Arc::new(new));
    changed
}

fn apply(entries: &mut Option<Entries>, prefix: &str, events: Vec<Event>) -> bool {
    let mut next = entries.as_deref().cloned().unwrap_or_default();
    for event in events {
        let key = event.key().strip_prefix(prefix).unwrap_or(event.key()).to_owned();
        match event {
            Event::Put(entry) => next.insert(key, entry.value),
            Event::Delete { .. } => next.remove(&key),
        };
    }
    replace(entries, next)
}
