//! Keys, transactions and leases.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;

use super::eventually;
use crate::limits::{CHANGES_MAX, KEY_BYTES_MAX, LEASE_TTL_MIN, VALUE_BYTES_MAX};
use crate::{Condition, LeaseId, Registry, Revision, StoreError, Transaction, TransactionOutcome};

/// A lease no test outlives.
const LONG: Duration = Duration::from_hours(1);

async fn value(registry: &dyn Registry, key: &str) -> Option<Bytes> {
    registry.get(key).await.unwrap().map(|it| it.value)
}

pub async fn a_key_that_was_never_written_is_not_there(registry: &dyn Registry) {
    assert_eq!(registry.get("a").await, Ok(None));
    let listing = registry.list("").await.unwrap();
    assert!(listing.entries.is_empty());
    registry.delete("a").await.unwrap();
}

pub async fn a_written_key_reads_back_with_its_commit(registry: &dyn Registry) {
    let revision = registry.put("a", Bytes::from_static(b"1"), None).await.unwrap();
    let entry = registry.get("a").await.unwrap().unwrap();
    assert_eq!((entry.key.as_str(), &entry.value[..]), ("a", &b"1"[..]));
    assert_eq!((entry.revision, entry.lease), (revision, None));
    registry.delete("a").await.unwrap();
    assert_eq!(registry.get("a").await, Ok(None));
    registry.put("empty", Bytes::new(), None).await.unwrap();
    assert_eq!(value(registry, "empty").await, Some(Bytes::new()));
}

pub async fn revisions_grow_by_one_with_every_commit(registry: &dyn Registry) {
    let start = registry.list("").await.unwrap().revision;
    for step in 1..=3 {
        let revision = registry.put("a", Bytes::new(), None).await.unwrap();
        assert_eq!(revision, Revision(start.0 + step));
    }
    assert_eq!(registry.list("a").await.unwrap().revision, Revision(start.0 + 3));
}

pub async fn a_listing_holds_the_prefix_in_order_at_one_revision(registry: &dyn Registry) {
    for key in ["b/2", "b/10", "a/1", "b0", "b/1", "c/1"] {
        registry.put(key, Bytes::from(key), None).await.unwrap();
    }
    let listing = registry.list("b/").await.unwrap();
    let keys: Vec<_> = listing.entries.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["b/1", "b/10", "b/2"]);
    assert_eq!(registry.list("").await.unwrap().entries.len(), 6);
    assert_eq!(registry.list("b/1").await.unwrap().entries.len(), 2);
    assert_eq!(registry.list("nothing/").await.unwrap().revision, listing.revision);
}

pub async fn a_listing_larger_than_one_message_is_whole(registry: &dyn Registry) {
    for number in 0..6 {
        let value = Bytes::from(vec![number; VALUE_BYTES_MAX]);
        registry.put(&format!("big/{number}"), value, None).await.unwrap();
    }
    let listing = registry.list("big/").await.unwrap();
    assert_eq!(listing.entries.len(), 6);
    for (number, entry) in listing.entries.iter().enumerate() {
        assert_eq!(entry.value, vec![number as u8; VALUE_BYTES_MAX]);
    }
}

pub async fn a_transaction_commits_only_if_every_condition_holds(registry: &dyn Registry) {
    let at = registry.put("match", Bytes::from_static(b"old"), None).await.unwrap();
    let later = Revision(at.0 + 1);
    for (condition, holds) in [
        (Condition::Present, true),
        (Condition::Absent, false),
        (Condition::WrittenAt(at), true),
        (Condition::WrittenAt(later), false),
    ] {
        let check = Transaction::new().when("match", condition).when("free", Condition::Absent);
        let outcome = registry.transact(check).await.unwrap();
        assert_eq!(outcome.revision().is_some(), holds, "{condition:?}");
    }
    let both = Transaction::new()
        .when("match", Condition::WrittenAt(at))
        .when("free", Condition::Absent)
        .put("match", "new")
        .put("free", "taken")
        .delete("nothing");
    let revision = registry.transact(both.clone()).await.unwrap().revision().unwrap();
    for key in ["match", "free"] {
        assert_eq!(registry.get(key).await.unwrap().unwrap().revision, revision);
    }
    assert_eq!(registry.transact(both).await.unwrap().revision(), None);
    let absent = Transaction::new().when("nothing", Condition::WrittenAt(revision));
    assert_eq!(registry.transact(absent).await.unwrap().revision(), None);
}

pub async fn a_refused_transaction_tells_what_it_found(registry: &dyn Registry) {
    registry.put("a", Bytes::from_static(b"1"), None).await.unwrap();
    let swap = Transaction::new()
        .when("b", Condition::Absent)
        .when("a", Condition::Absent)
        .put("a", "2")
        .put("c", "3");
    let TransactionOutcome::Refused { found } = registry.transact(swap).await.unwrap() else {
        panic!("`a` exists");
    };
    let found: Vec<_> = found.into_iter().map(|it| it.map(|it| it.value)).collect();
    assert_eq!(found, [None, Some(Bytes::from_static(b"1"))]);
    assert_eq!(value(registry, "a").await.unwrap(), "1");
    assert_eq!(value(registry, "c").await, None);
}

pub async fn of_many_compare_and_swaps_exactly_one_wins(registry: &dyn Registry) {
    let at = registry.put("match", Bytes::from_static(b"free"), None).await.unwrap();
    let swaps = (0..16).map(|number| {
        let swap = Transaction::new()
            .when("match", Condition::WrittenAt(at))
            .put("match", format!("owner {number}"));
        registry.transact(swap)
    });
    let outcomes = join_all(swaps).await;
    let winners: Vec<_> =
        (0..16).filter(|it| outcomes[*it].as_ref().unwrap().revision().is_some()).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(value(registry, "match").await.unwrap(), format!("owner {}", winners[0]));
}

pub async fn a_transaction_without_changes_makes_no_revision(registry: &dyn Registry) {
    let at = registry.put("a", Bytes::new(), None).await.unwrap();
    let check = Transaction::new().when("a", Condition::Present);
    let outcome = registry.transact(check).await.unwrap();
    assert_eq!(outcome.revision(), Some(at));
    assert_eq!(registry.list("").await.unwrap().revision, at);
}

pub async fn ownership_moves_only_while_the_target_lives(registry: &dyn Registry) {
    let lease = registry.grant_lease(LONG).await.unwrap();
    registry.put("instances/game/b", Bytes::new(), Some(lease)).await.unwrap();
    let mut at = registry.put("match/1", Bytes::from_static(b"a,1"), None).await.unwrap();
    let swap = |at, owner: &'static str| {
        Transaction::new()
            .when("match/1", Condition::WrittenAt(at))
            .when("instances/game/b", Condition::Present)
            .put("match/1", owner)
    };
    at = registry.transact(swap(at, "b,2")).await.unwrap().revision().unwrap();
    registry.revoke_lease(lease).await.unwrap();
    let outcome = registry.transact(swap(at, "b,3")).await.unwrap();
    assert_eq!(outcome.revision(), None);
    assert_eq!(value(registry, "match/1").await.unwrap(), "b,2");
}

pub async fn a_key_beyond_the_limits_is_refused(registry: &dyn Registry) {
    let longest = "k".repeat(KEY_BYTES_MAX);
    registry.put(&longest, Bytes::new(), None).await.unwrap();
    let largest = Bytes::from(vec![7; VALUE_BYTES_MAX + 1]);
    let too_many = (0..=CHANGES_MAX).fold(Transaction::new(), |it, n| it.delete(format!("{n}")));
    for (what, outcome) in [
        ("long key", registry.put(&format!("{longest}k"), Bytes::new(), None).await),
        ("empty key", registry.put("", Bytes::new(), None).await),
        ("space", registry.put("a b", Bytes::new(), None).await),
        ("large value", registry.put("a", largest, None).await),
        ("changes", registry.transact(too_many).await.map(|_| Revision(0))),
        ("get", registry.get("").await.map(|_| Revision(0))),
    ] {
        assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{what}: {outcome:?}");
    }
}

pub async fn a_key_may_change_once_in_a_transaction(registry: &dyn Registry) {
    let twice = Transaction::new().put("a", "1").delete("a");
    let outcome = registry.transact(twice).await;
    assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{outcome:?}");
    assert_eq!(value(registry, "a").await, None);
}

pub async fn keys_vanish_with_their_lease(registry: &dyn Registry) {
    let (lease, other) =
        (registry.grant_lease(LONG).await.unwrap(), registry.grant_lease(LONG).await.unwrap());
    assert_ne!(lease, other);
    for (key, lease) in [("a", Some(lease)), ("b", Some(lease)), ("c", Some(other)), ("d", None)] {
        registry.put(key, Bytes::new(), lease).await.unwrap();
    }
    assert_eq!(registry.get("a").await.unwrap().unwrap().lease, Some(lease));
    let before = registry.list("").await.unwrap().revision;
    registry.revoke_lease(lease).await.unwrap();
    let listing = registry.list("").await.unwrap();
    let keys: Vec<_> = listing.entries.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["c", "d"]);
    assert_eq!(listing.revision, Revision(before.0 + 1), "one commit");
    registry.revoke_lease(lease).await.unwrap();
}

pub async fn a_lease_that_is_kept_alive_does_not_end(registry: &dyn Registry) {
    let lease = registry.grant_lease(LEASE_TTL_MIN * 4).await.unwrap();
    registry.put("a", Bytes::new(), Some(lease)).await.unwrap();
    for _ in 0..6 {
        tokio::time::sleep(LEASE_TTL_MIN).await;
        assert_eq!(registry.keep_alive(lease).await, Ok(LEASE_TTL_MIN * 4));
    }
    assert!(registry.get("a").await.unwrap().is_some());
}

pub async fn a_lease_that_is_left_alone_ends(registry: &dyn Registry) {
    let lease = registry.grant_lease(LEASE_TTL_MIN).await.unwrap();
    registry.put("a", Bytes::new(), Some(lease)).await.unwrap();
    eventually("the key vanishes", async || registry.get("a").await.unwrap().is_none()).await;
    let late = registry.keep_alive(lease).await;
    assert!(matches!(late, Err(StoreError::NotFound { .. })), "{late:?}");
}

pub async fn a_revoked_lease_cannot_be_used(registry: &dyn Registry) {
    let lease = registry.grant_lease(LONG).await.unwrap();
    registry.revoke_lease(lease).await.unwrap();
    for (what, outcome) in [
        ("put", registry.put("a", Bytes::new(), Some(lease)).await.map(|_| ())),
        ("unknown", registry.put("a", Bytes::new(), Some(LeaseId(1 << 60))).await.map(|_| ())),
        ("keep-alive", registry.keep_alive(lease).await.map(|_| ())),
    ] {
        assert!(matches!(outcome, Err(StoreError::NotFound { .. })), "{what}: {outcome:?}");
    }
    assert_eq!(value(registry, "a").await, None);
}

pub async fn a_put_without_a_lease_outlives_it(registry: &dyn Registry) {
    let lease = registry.grant_lease(LONG).await.unwrap();
    registry.put("a", Bytes::new(), Some(lease)).await.unwrap();
    registry.put("a", Bytes::from_static(b"kept"), None).await.unwrap();
    registry.revoke_lease(lease).await.unwrap();
    assert_eq!(value(registry, "a").await.unwrap(), "kept");
}

pub async fn a_lease_beyond_the_limits_is_refused(registry: &dyn Registry) {
    for ttl in [Duration::ZERO, LEASE_TTL_MIN / 2, Duration::from_hours(48)] {
        let outcome = registry.grant_lease(ttl).await;
        assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{ttl:?}: {outcome:?}");
    }
}
