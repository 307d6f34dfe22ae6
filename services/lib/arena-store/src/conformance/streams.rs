//! Streams with consumer groups.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::PATIENCE;
use crate::{Delivery, HotState};

/// Entries a stream keeps where a test does not say otherwise.
const KEEP: u64 = 10_000;

async fn add(hot: &dyn HotState, text: &'static str) {
    hot.stream_add("results", Bytes::from(text), KEEP).await.unwrap();
}

async fn read(hot: &dyn HotState, group: &str, consumer: &str, count: usize) -> Vec<Delivery> {
    hot.stream_read("results", group, consumer, count, Duration::ZERO).await.unwrap()
}

fn texts(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|it| std::str::from_utf8(&it.value).unwrap()).collect()
}

pub async fn a_group_gets_every_entry_once(hot: &dyn HotState) {
    for text in ["a", "b", "c"] {
        add(hot, text).await;
    }
    assert_eq!(texts(&read(hot, "stats", "s1", 2).await), ["a", "b"]);
    assert_eq!(texts(&read(hot, "stats", "s1", 2).await), ["c"]);
    assert_eq!(read(hot, "stats", "s1", 2).await, []);
}

pub async fn two_groups_each_get_every_entry(hot: &dyn HotState) {
    add(hot, "a").await;
    for group in ["stats", "replays"] {
        let got = read(hot, group, "c", 10).await;
        assert_eq!((texts(&got), got[0].deliveries), (vec!["a"], 1));
    }
}

pub async fn a_read_waits_for_the_first_entry(hot: &dyn HotState) {
    let waiting = hot.stream_read("results", "stats", "s1", 10, Duration::from_secs(10));
    let (got, ()) = tokio::join!(waiting, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        add(hot, "late").await;
    });
    assert_eq!(texts(&got.unwrap()), ["late"]);
}

pub async fn a_read_of_nothing_ends_with_its_wait(hot: &dyn HotState) {
    let wait = Duration::from_millis(50);
    let waiting = hot.stream_read("results", "stats", "s1", 10, wait);
    let got = tokio::time::timeout(PATIENCE, waiting).await.expect("it ends").unwrap();
    assert_eq!(got, []);
}

pub async fn an_entry_is_pending_until_it_is_acknowledged(hot: &dyn HotState) {
    for text in ["a", "b"] {
        add(hot, text).await;
    }
    let got = read(hot, "stats", "s1", 10).await;
    let pending = hot.stream_pending("results", "stats", 10).await.unwrap();
    assert_eq!(pending.len(), 2);
    assert_eq!((&pending[0].id, pending[0].consumer.as_str()), (&got[0].id, "s1"));
    let ids = vec![got[0].id.clone()];
    assert_eq!(hot.stream_ack("results", "stats", ids.clone()).await, Ok(1));
    assert_eq!(hot.stream_ack("results", "stats", ids).await, Ok(0));
    let left = hot.stream_pending("results", "stats", 10).await.unwrap();
    assert_eq!(left.into_iter().map(|it| it.id).collect::<Vec<_>>(), [got[1].id.clone()]);
}

pub async fn an_idle_entry_can_be_claimed(hot: &dyn HotState) {
    add(hot, "a").await;
    let got = read(hot, "stats", "dead", 10).await;
    let hour = Duration::from_hours(1);
    let none = hot.stream_claim("results", "stats", "s2", hour, 10).await.unwrap();
    assert_eq!(none, [], "it is not idle for so long");
    let claimed = hot.stream_claim("results", "stats", "s2", Duration::ZERO, 10).await.unwrap();
    assert_eq!((texts(&claimed), claimed[0].deliveries), (vec!["a"], 2));
    assert_eq!(claimed[0].id, got[0].id);
    let pending = hot.stream_pending("results", "stats", 10).await.unwrap();
    assert_eq!((pending[0].consumer.as_str(), pending[0].deliveries), ("s2", 2));
}

pub async fn a_stream_forgets_its_oldest_entries(hot: &dyn HotState) {
    for text in ["a", "b", "c", "d"] {
        hot.stream_add("results", Bytes::from(text), 2).await.unwrap();
    }
    assert_eq!(texts(&read(hot, "stats", "s1", 10).await), ["c", "d"]);
}

pub async fn consumers_share_a_group(hot: &dyn HotState) {
    for number in 0..100_u8 {
        hot.stream_add("results", Bytes::from(vec![number]), KEEP).await.unwrap();
    }
    let drain = async |consumer: &str| {
        let mut got = Vec::new();
        loop {
            let page = read(hot, "stats", consumer, 7).await;
            if page.is_empty() {
                return got;
            }
            got.extend(page.iter().map(|it| it.value[0]));
        }
    };
    let (a, b) = tokio::join!(drain("s1"), drain("s2"));
    assert_eq!(a.len() + b.len(), 100, "none twice");
    let all: BTreeSet<_> = a.into_iter().chain(b).collect();
    assert_eq!(all.len(), 100, "none missing");
}
