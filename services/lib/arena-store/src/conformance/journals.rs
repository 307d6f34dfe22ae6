//! Journals.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;

use super::eventually;
use crate::limits::{READ_BYTES_MAX, VALUE_BYTES_MAX};
use crate::{HotState, JournalAppend, StoreError};

fn append(journal: &str, after: Option<u64>, entries: &[&'static str]) -> JournalAppend {
    JournalAppend {
        journal: journal.to_owned(),
        after,
        entries: entries.iter().map(|it| Bytes::from(*it)).collect(),
        ttl: Duration::from_hours(1),
    }
}

async fn read(hot: &dyn HotState, journal: &str, after: u64) -> Vec<(u64, String)> {
    let entries = hot.journal_read(journal, after, 1_000).await.unwrap();
    let text = |it: Bytes| String::from_utf8(it.to_vec()).unwrap();
    entries.into_iter().map(|it| (it.number, text(it.value))).collect()
}

pub async fn a_journal_numbers_its_entries_from_one(hot: &dyn HotState) {
    assert_eq!(read(hot, "m/1", 0).await, []);
    assert_eq!(hot.journal_append(vec![append("m/1", None, &["a", "b"])]).await, Ok(vec![2]));
    assert_eq!(hot.journal_append(vec![append("m/1", None, &["c"])]).await, Ok(vec![3]));
    let all = [(1, "a".to_owned()), (2, "b".to_owned()), (3, "c".to_owned())];
    assert_eq!(read(hot, "m/1", 0).await, all);
    assert_eq!(read(hot, "m/1", 2).await, all[2..]);
    assert_eq!(read(hot, "m/1", 3).await, []);
    assert_eq!(hot.journal_append(vec![append("m/1", None, &[])]).await, Ok(vec![3]));
}

pub async fn an_append_to_several_journals_is_all_or_nothing(hot: &dyn HotState) {
    let both = vec![append("m/1", Some(0), &["a"]), append("m/2", Some(0), &["b", "c"])];
    assert_eq!(hot.journal_append(both).await, Ok(vec![1, 2]));
    let second_is_wrong = vec![append("m/1", Some(1), &["x"]), append("m/2", Some(1), &["y"])];
    let outcome = hot.journal_append(second_is_wrong).await;
    assert_eq!(outcome, Err(StoreError::conflict("m/2")));
    assert_eq!(read(hot, "m/1", 0).await.len(), 1);
}

pub async fn a_repeated_append_is_refused(hot: &dyn HotState) {
    hot.journal_append(vec![append("m/1", Some(0), &["a"])]).await.unwrap();
    let again = hot.journal_append(vec![append("m/1", Some(0), &["a"])]).await;
    assert_eq!(again, Err(StoreError::conflict("m/1")));
    assert_eq!(read(hot, "m/1", 0).await.len(), 1);
}

pub async fn a_journal_read_is_bounded_in_entries_and_bytes(hot: &dyn HotState) {
    let big = JournalAppend {
        entries: vec![Bytes::from(vec![1; VALUE_BYTES_MAX / 2]); 8],
        ..append("big", None, &[])
    };
    for _ in 0..2 {
        let halves = JournalAppend { entries: big.entries[..4].to_vec(), ..big.clone() };
        hot.journal_append(vec![halves]).await.unwrap();
    }
    assert_eq!(hot.journal_read("big", 0, 3).await.unwrap().len(), 3);
    let page = hot.journal_read("big", 0, 1_000).await.unwrap();
    let bytes: usize = page.iter().map(|it| it.value.len()).sum();
    let bound = READ_BYTES_MAX..READ_BYTES_MAX + VALUE_BYTES_MAX;
    assert!(bound.contains(&bytes), "{bytes}");
    let rest = hot.journal_read("big", page.last().unwrap().number, 1_000).await.unwrap();
    assert_eq!(page.len() + rest.len(), 8);
}

pub async fn a_trimmed_journal_goes_on_counting(hot: &dyn HotState) {
    hot.journal_append(vec![append("m/1", None, &["a", "b", "c"])]).await.unwrap();
    hot.journal_trim("m/1", 2).await.unwrap();
    assert_eq!(read(hot, "m/1", 0).await, [(3, "c".to_owned())]);
    hot.journal_trim("m/1", 9).await.unwrap();
    assert_eq!(hot.journal_append(vec![append("m/1", Some(3), &["d"])]).await, Ok(vec![4]));
    hot.journal_trim("nothing", 9).await.unwrap();
}

pub async fn a_deleted_journal_starts_again(hot: &dyn HotState) {
    hot.journal_append(vec![append("m/1", None, &["a"])]).await.unwrap();
    hot.journal_delete("m/1").await.unwrap();
    hot.journal_delete("m/1").await.unwrap();
    assert_eq!(read(hot, "m/1", 0).await, []);
    assert_eq!(hot.journal_append(vec![append("m/1", Some(0), &["b"])]).await, Ok(vec![1]));
}

pub async fn a_journal_ends_after_its_last_append(hot: &dyn HotState) {
    let short = JournalAppend { ttl: Duration::from_millis(200), ..append("s", None, &["a"]) };
    hot.journal_append(vec![short]).await.unwrap();
    eventually("it ends", async || hot.journal_read("s", 0, 1).await.unwrap().is_empty()).await;
    assert_eq!(hot.journal_append(vec![append("s", Some(0), &["b"])]).await, Ok(vec![1]));
}

pub async fn appends_of_many_writers_are_all_there(hot: &dyn HotState) {
    let appends = (0..50).map(|_| hot.journal_append(vec![append("m/1", None, &["x", "y"])]));
    let mut lasts: Vec<_> = join_all(appends).await.into_iter().map(|it| it.unwrap()[0]).collect();
    lasts.sort_unstable();
    assert_eq!(lasts, (1..=50).map(|it| it * 2).collect::<Vec<u64>>());
    let texts: Vec<_> = read(hot, "m/1", 0).await.into_iter().map(|it| it.1).collect();
    assert_eq!(texts, ["x", "y"].repeat(50), "an append is not torn");
}
