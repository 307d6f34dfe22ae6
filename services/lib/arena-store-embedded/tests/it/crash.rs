//! What a crash of the machine leaves: of a log that nobody synced, any part from its beginning.

use std::fs;
use std::time::Duration;

use arena_store::{HotState, JournalAppend};
use bytes::Bytes;

const APPENDS: u64 = 40;
/// Places where the log is cut.
const CUTS: usize = 12;

async fn append(hot: &dyn HotState, number: u64) {
    let append = |journal: &str| JournalAppend {
        journal: journal.to_owned(),
        after: None,
        entries: vec![Bytes::from(number.to_string())],
        ttl: Duration::from_hours(1),
    };
    hot.journal_append(vec![append("match/1/1"), append("match/2/1")])
        .await
        .expect("it is appended");
}

async fn read(hot: &dyn HotState, journal: &str) -> Vec<String> {
    let entries = hot.journal_read(journal, 0, 1_000).await.expect("it is read");
    entries.into_iter().map(|it| String::from_utf8(it.value.to_vec()).expect("a number")).collect()
}

/// Opens journals of which the log was cut; returns how many appends are left, the same of both.
async fn left(database: &[u8], log: &[u8]) -> u64 {
    let folder = tempfile::tempdir().expect("a folder can be made");
    fs::write(folder.path().join("journals.db"), database).expect("it is written");
    fs::write(folder.path().join("journals.db-wal"), log).expect("it is written");
    let embedded = crate::open(folder.path()).await;
    let hot = embedded.stores().hot;
    let found = read(&*hot, "match/1/1").await;
    assert_eq!(read(&*hot, "match/2/1").await, found, "an append is whole");
    let numbers: Vec<String> = (1..=found.len()).map(|it| it.to_string()).collect();
    assert_eq!(found, numbers, "what is left is the beginning");
    append(&*hot, 0).await;
    found.len() as u64
}

#[tokio::test]
async fn a_crash_of_the_machine_takes_the_newest_appends_to_journals_alone() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = crate::open(folder.path()).await;
    for number in 1..=APPENDS {
        append(&*embedded.stores().hot, number).await;
    }
    let file = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let (database, log) = (file("journals.db"), file("journals.db-wal"));
    let mut before = 0;
    for cut in 0..=CUTS {
        let left = left(&database, &log[..log.len() * cut / CUTS]).await;
        assert!(left >= before, "{left} after {before}");
        before = left;
    }
    assert_eq!(before, APPENDS, "all that was answered is in the log");
}
