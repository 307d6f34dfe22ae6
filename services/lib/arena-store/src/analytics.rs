//! What happened, in batches, for later questions.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::StoreError;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalyticsEvent {
    /// Chosen by the sender; an event with the id of a stored one is dropped, so that a batch can
    /// be sent again.
    pub id: u64,
    /// What kind, for example `match_ended`.
    pub kind: String,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Its facts.
    pub attributes: BTreeMap<String, String>,
}

/// Which events a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    /// Their kind.
    pub kind: String,
    /// The first millisecond.
    pub from_ms: u64,
    /// The millisecond after the last.
    pub to_ms: u64,
}

/// How many events fell into a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Where the span begins.
    pub start_ms: u64,
    /// How many.
    pub count: u64,
}

/// Events in batches.
///
/// # Errors
/// All methods: [`StoreError::Unavailable`], [`StoreError::Invalid`] beyond
/// [`limits`](crate::limits), [`StoreError::Full`], [`StoreError::Corrupt`],
/// [`StoreError::Denied`].
#[async_trait]
pub trait Analytics: Send + Sync + 'static {
    /// Stores a batch of at most [`EVENTS_MAX`](crate::limits::EVENTS_MAX), all or nothing.
    async fn append(&self, events: Vec<AnalyticsEvent>) -> Result<(), StoreError>;

    /// Returns up to `count` events, oldest first.
    async fn events(
        &self,
        filter: EventFilter,
        count: usize,
    ) -> Result<Vec<AnalyticsEvent>, StoreError>;

    /// Counts events by spans of `width`, aligned to multiples of it; empty spans are left out.
    /// At most [`ENTRIES_MAX`](crate::limits::ENTRIES_MAX) spans.
    async fn count(&self, filter: EventFilter, width: Duration) -> Result<Vec<Bucket>, StoreError>;
}
