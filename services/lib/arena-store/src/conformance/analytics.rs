//! Events in batches.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::limits::EVENTS_MAX;
use crate::{Analytics, AnalyticsEvent, Bucket, EventFilter, StoreError};

fn event(id: u64, kind: &str, at_ms: u64) -> AnalyticsEvent {
    let attributes = BTreeMap::from([("region".to_owned(), "eu \"fra\"".to_owned())]);
    AnalyticsEvent { id, kind: kind.to_owned(), at_ms, attributes }
}

fn filter(kind: &str, from_ms: u64, to_ms: u64) -> EventFilter {
    EventFilter { kind: kind.to_owned(), from_ms, to_ms }
}

pub async fn events_read_back_by_kind_and_time(analytics: &dyn Analytics) {
    let batch = vec![event(3, "end", 30), event(1, "end", 10), event(2, "start", 10)];
    analytics.append(batch.clone()).await.unwrap();
    analytics.append(vec![]).await.unwrap();
    let ends = analytics.events(filter("end", 0, 100), 10).await.unwrap();
    assert_eq!(ends, [batch[1].clone(), batch[0].clone()]);
    assert_eq!(analytics.events(filter("end", 0, 100), 1).await.unwrap().len(), 1);
    assert_eq!(analytics.events(filter("end", 10, 30), 10).await.unwrap().len(), 1);
    assert_eq!(analytics.events(filter("other", 0, 100), 10).await, Ok(vec![]));
}

pub async fn an_event_sent_twice_is_stored_once(analytics: &dyn Analytics) {
    for _ in 0..2 {
        analytics.append(vec![event(u64::MAX, "end", 10)]).await.unwrap();
    }
    assert_eq!(analytics.events(filter("end", 0, 100), 10).await.unwrap().len(), 1);
}

pub async fn events_are_counted_by_spans_of_time(analytics: &dyn Analytics) {
    let batch = [999, 1_000, 1_999, 3_500].map(|at| event(at, "end", at));
    analytics.append(batch.into()).await.unwrap();
    let counted = analytics.count(filter("end", 0, 10_000), Duration::from_secs(1)).await;
    let expected = [(0, 1), (1_000, 2), (3_000, 1)];
    assert_eq!(counted, Ok(expected.map(|(start_ms, count)| Bucket { start_ms, count }).into()));
    let outcome = analytics.count(filter("end", 0, 10_000), Duration::ZERO).await;
    assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{outcome:?}");
}

pub async fn a_batch_beyond_the_limit_is_refused(analytics: &dyn Analytics) {
    let batch: Vec<_> = (0..=EVENTS_MAX as u64).map(|it| event(it, "end", it)).collect();
    let outcome = analytics.append(batch.clone()).await;
    assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{outcome:?}");
    analytics.append(batch[1..].to_vec()).await.unwrap();
    let stored = analytics.events(filter("end", 0, u64::MAX), EVENTS_MAX).await.unwrap();
    assert_eq!(stored.len(), EVENTS_MAX);
}
