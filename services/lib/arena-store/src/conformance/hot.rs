//! Values, counters, rate limits, leaderboards and presence.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;

use super::eventually;
use crate::limits::{SCORE_MAX, VALUE_BYTES_MAX};
use crate::{
    BoardEntry, BoardWrite, Expected, HotState, Permit, RateLimit, Score, StoreError, Swap, Version,
};

/// A life no test outlives.
const LONG: Option<Duration> = Some(Duration::from_hours(1));
/// A life that ends within a test.
const SHORT: Duration = Duration::from_millis(200);

pub async fn a_hot_value_reads_back_until_it_is_deleted(hot: &dyn HotState) {
    assert_eq!(hot.get("session/1").await, Ok(None));
    let version = hot.set("session/1", Bytes::from_static(b"x"), LONG).await.unwrap();
    let found = hot.get("session/1").await.unwrap().unwrap();
    assert_eq!((&found.value[..], found.version), (&b"x"[..], version));
    assert_eq!(hot.delete("session/1").await, Ok(true));
    assert_eq!(hot.delete("session/1").await, Ok(false));
    assert_eq!(hot.get("session/1").await, Ok(None));
}

pub async fn a_hot_value_ends_with_its_time(hot: &dyn HotState) {
    hot.set("a", Bytes::new(), Some(SHORT)).await.unwrap();
    hot.set("b", Bytes::new(), Some(SHORT)).await.unwrap();
    hot.set("b", Bytes::new(), None).await.unwrap();
    eventually("the value ends", async || hot.get("a").await.unwrap().is_none()).await;
    let swap = hot.compare_and_set("a", Expected::Absent, Bytes::new(), None).await.unwrap();
    assert!(matches!(swap, Swap::Swapped(_)), "{swap:?}");
    assert!(hot.get("b").await.unwrap().is_some(), "a later write without an end has none");
}

pub async fn every_write_has_a_new_version(hot: &dyn HotState) {
    let mut seen: Vec<Version> = Vec::new();
    for _ in 0..3 {
        seen.push(hot.set("a", Bytes::new(), None).await.unwrap());
        hot.delete("a").await.unwrap();
        seen.push(hot.set("a", Bytes::new(), None).await.unwrap());
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
}

pub async fn a_compare_and_set_writes_only_over_what_it_expects(hot: &dyn HotState) {
    let set =
        |expected, text: &'static str| hot.compare_and_set("a", expected, Bytes::from(text), LONG);
    assert_eq!(set(Expected::Version(Version(1)), "x").await, Ok(Swap::Refused(None)));
    let Swap::Swapped(first) = set(Expected::Absent, "1").await.unwrap() else {
        panic!("nothing was there")
    };
    let Swap::Refused(Some(found)) = set(Expected::Absent, "2").await.unwrap() else {
        panic!("a value was there")
    };
    assert_eq!((found.version, &found.value[..]), (first, &b"1"[..]));
    let Swap::Swapped(second) = set(Expected::Version(first), "2").await.unwrap() else {
        panic!("the version was right")
    };
    assert!(matches!(set(Expected::Version(first), "3").await, Ok(Swap::Refused(Some(_)))));
    assert_eq!(hot.get("a").await.unwrap().unwrap().version, second);
}

pub async fn of_many_compare_and_sets_exactly_one_wins(hot: &dyn HotState) {
    let sets = (0..16).map(|it| hot.compare_and_set("a", Expected::Absent, vec![it].into(), LONG));
    let won = join_all(sets).await.into_iter();
    assert_eq!(won.filter(|it| matches!(it, Ok(Swap::Swapped(_)))).count(), 1);
}

pub async fn a_counter_adds_up(hot: &dyn HotState) {
    let added = join_all((0..20).map(|_| hot.add("c", 3, LONG))).await;
    let mut sums: Vec<_> = added.into_iter().map(Result::unwrap).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=20).map(|it| it * 3).collect::<Vec<i64>>());
    assert_eq!(hot.add("c", -61, None).await, Ok(-1));
    hot.add("short", 1, Some(SHORT)).await.unwrap();
    eventually("the counter starts again", async || hot.add("short", 0, None).await == Ok(0)).await;
}

pub async fn a_counter_does_not_wrap(hot: &dyn HotState) {
    hot.add("c", i64::MAX, LONG).await.unwrap();
    let outcome = hot.add("c", 1, LONG).await;
    assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{outcome:?}");
    assert_eq!(hot.add("c", 0, LONG).await, Ok(i64::MAX));
}

pub async fn a_rate_limit_grants_its_burst_and_then_its_rate(hot: &dyn HotState) {
    let limit = RateLimit { burst: 3, interval: Duration::from_mins(10) };
    for remaining in [2, 1, 0] {
        assert_eq!(hot.take("ip", limit, 1).await, Ok(Permit::Granted { remaining }));
    }
    let Permit::Refused { retry_after } = hot.take("ip", limit, 1).await.unwrap() else {
        panic!("the burst was used up")
    };
    assert!(retry_after > Duration::from_secs(500) && retry_after <= limit.interval);
    assert!(matches!(hot.take("other", limit, 1).await, Ok(Permit::Granted { .. })));
    let fast = RateLimit { burst: 1, interval: Duration::from_millis(20) };
    hot.take("fast", fast, 1).await.unwrap();
    eventually("a unit comes back", async || {
        matches!(hot.take("fast", fast, 1).await, Ok(Permit::Granted { .. }))
    })
    .await;
}

pub async fn a_rate_limit_takes_all_or_none(hot: &dyn HotState) {
    let limit = RateLimit { burst: 5, interval: Duration::from_mins(10) };
    assert_eq!(hot.take("a", limit, 3).await, Ok(Permit::Granted { remaining: 2 }));
    assert!(matches!(hot.take("a", limit, 3).await, Ok(Permit::Refused { .. })));
    assert_eq!(hot.take("a", limit, 2).await, Ok(Permit::Granted { remaining: 0 }));
    for (limit, units) in [
        (limit, 6),
        (limit, 0),
        (RateLimit { burst: 0, ..limit }, 1),
        (RateLimit { interval: Duration::ZERO, ..limit }, 1),
    ] {
        let outcome = hot.take("b", limit, units).await;
        assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{units}: {outcome:?}");
    }
}

fn scores(of: &[(&str, Score)]) -> Vec<(String, Score)> {
    of.iter().map(|(member, score)| ((*member).to_owned(), *score)).collect()
}

fn lines(entries: &[BoardEntry]) -> Vec<(u64, &str, Score)> {
    entries.iter().map(|it| (it.rank, it.member.as_str(), it.score)).collect()
}

pub async fn a_board_ranks_the_highest_first(hot: &dyn HotState) {
    let written = scores(&[("ann", 10), ("bob", -5), ("eve", 10), ("dan", 99), ("zed", 0)]);
    hot.board_write("b", BoardWrite::Set, written).await.unwrap();
    let all = hot.board_range("b", 0, 10).await.unwrap();
    let expected = [(0, "dan", 99), (1, "ann", 10), (2, "eve", 10), (3, "zed", 0), (4, "bob", -5)];
    assert_eq!(lines(&all), expected);
    assert_eq!(lines(&hot.board_range("b", 1, 2).await.unwrap()), expected[1..3]);
    assert_eq!(hot.board_rank("b", "eve").await.unwrap().unwrap(), all[2]);
    assert_eq!(hot.board_rank("b", "nobody").await, Ok(None));
    assert_eq!(hot.board_range("empty", 0, 5).await, Ok(vec![]));
    assert_eq!(hot.board_remove("b", "ann").await, Ok(true));
    assert_eq!(hot.board_remove("b", "ann").await, Ok(false));
    assert_eq!(hot.board_rank("b", "eve").await.unwrap().unwrap().rank, 1);
}

pub async fn a_board_write_can_set_add_or_keep_the_best(hot: &dyn HotState) {
    for (how, score, now) in [
        (BoardWrite::Add, 5, 5),
        (BoardWrite::Add, 5, 10),
        (BoardWrite::Best, 7, 10),
        (BoardWrite::Best, 12, 12),
        (BoardWrite::Set, 3, 3),
        (BoardWrite::Add, -4, -1),
    ] {
        let outcome = hot.board_write("b", how, scores(&[("ann", score)])).await;
        assert_eq!(outcome, Ok(vec![now]), "{how:?} {score}");
    }
    for (how, score) in [(BoardWrite::Set, SCORE_MAX + 1), (BoardWrite::Add, SCORE_MAX)] {
        hot.board_write("b", BoardWrite::Set, scores(&[("ann", 1)])).await.unwrap();
        let outcome = hot.board_write("b", how, scores(&[("bob", 1), ("ann", score)])).await;
        assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{how:?}: {outcome:?}");
        assert_eq!(hot.board_rank("b", "bob").await, Ok(None), "all or nothing");
    }
}

pub async fn a_board_shows_the_lines_around_a_member(hot: &dyn HotState) {
    let written: Vec<_> = (0..100).map(|it| (format!("m{it:02}"), it)).collect();
    hot.board_write("b", BoardWrite::Set, written).await.unwrap();
    let around = hot.board_around("b", "m50", 2).await.unwrap();
    let expected =
        [(47, "m52", 52), (48, "m51", 51), (49, "m50", 50), (50, "m49", 49), (51, "m48", 48)];
    assert_eq!(lines(&around), expected);
    let top = hot.board_around("b", "m99", 1).await.unwrap();
    assert_eq!(lines(&top), [(0, "m99", 99), (1, "m98", 98)]);
    assert_eq!(hot.board_around("b", "nobody", 2).await, Ok(vec![]));
}

async fn present(hot: &dyn HotState, place: &str) -> Vec<String> {
    hot.presence_list(place).await.unwrap().into_iter().map(|it| it.member).collect()
}

pub async fn who_is_present_is_listed_until_they_leave(hot: &dyn HotState) {
    let hour = Duration::from_hours(1);
    for (place, member) in [("lobby", "eve"), ("lobby", "ann"), ("arena", "bob")] {
        hot.presence_set(place, member, Bytes::from(member), hour).await.unwrap();
    }
    assert_eq!(present(hot, "lobby").await, ["ann", "eve"]);
    assert_eq!(hot.presence_list("arena").await.unwrap()[0].value, "bob");
    hot.presence_clear("lobby", "eve").await.unwrap();
    hot.presence_clear("lobby", "nobody").await.unwrap();
    assert_eq!(present(hot, "lobby").await, ["ann"]);
}

pub async fn presence_ends_with_its_time(hot: &dyn HotState) {
    hot.presence_set("lobby", "ann", Bytes::new(), SHORT).await.unwrap();
    eventually("ann is gone", async || present(hot, "lobby").await.is_empty()).await;
}

pub async fn a_hot_request_beyond_the_limits_is_refused(hot: &dyn HotState) {
    let large = Bytes::from(vec![0; VALUE_BYTES_MAX + 1]);
    for (what, outcome) in [
        ("large value", hot.set("a", large, LONG).await.map(|_| ())),
        ("empty key", hot.set("", Bytes::new(), LONG).await.map(|_| ())),
        ("no time", hot.set("a", Bytes::new(), Some(Duration::ZERO)).await.map(|_| ())),
        ("endless", hot.set("a", Bytes::new(), Some(Duration::MAX)).await.map(|_| ())),
        ("key with space", hot.get("a b").await.map(|_| ())),
        ("too many lines", hot.board_range("b", 0, 1_001).await.map(|_| ())),
    ] {
        assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{what}: {outcome:?}");
    }
}
