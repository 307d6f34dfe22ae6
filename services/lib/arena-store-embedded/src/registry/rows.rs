//! What is read from the registry's tables.

use arena_store::{Changes, Entry, Event, LeaseId, Revision};
use bytes::Bytes;
use sqlx::SqliteConnection;

/// A row of `entries`: key, value, revision, lease.
type EntryRow = (String, Vec<u8>, i64, Option<i64>);
/// A row of `events`: revision, key, value, lease.
type EventRow = (i64, String, Option<Vec<u8>>, Option<i64>);

/// How far the history reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// The newest commit.
    pub(super) revision: Revision,
    /// Commits up to here can no longer be read.
    pub(super) compacted: Revision,
}

/// The first string after all that start with `prefix`: keys are ASCII below 0x7f.
fn end_of(prefix: &str) -> String {
    format!("{prefix}\u{7f}")
}

pub(super) async fn marks(connection: &mut SqliteConnection) -> Result<Marks, sqlx::Error> {
    let (revision, compacted): (i64, i64) =
        sqlx::query_as("SELECT revision, compacted FROM meta").fetch_one(connection).await?;
    Ok(Marks { revision: Revision(revision as u64), compacted: Revision(compacted as u64) })
}

fn to_entry((key, value, revision, lease): EntryRow) -> Entry {
    let lease = lease.map(|it| LeaseId(it as u64));
    Entry { key, value: value.into(), revision: Revision(revision as u64), lease }
}

pub(super) async fn entry(
    connection: &mut SqliteConnection,
    key: &str,
) -> Result<Option<Entry>, sqlx::Error> {
    let row: Option<EntryRow> =
        sqlx::query_as("SELECT key, value, revision, lease FROM entries WHERE key = ?1")
            .bind(key)
            .fetch_optional(connection)
            .await?;
    Ok(row.map(to_entry))
}

pub(super) async fn entries(
    connection: &mut SqliteConnection,
    prefix: &str,
) -> Result<Vec<Entry>, sqlx::Error> {
    let rows: Vec<EntryRow> = sqlx::query_as(
        "SELECT key, value, revision, lease FROM entries WHERE key >= ?1 AND key < ?2 ORDER BY key",
    )
    .bind(prefix)
    .bind(end_of(prefix))
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(to_entry).collect())
}

/// Reads the commits within `after` (excluded) to `through` that touched the prefix, each whole.
pub(super) async fn commits(
    connection: &mut SqliteConnection,
    prefix: &str,
    after: Revision,
    through: Revision,
) -> Result<Vec<Changes>, sqlx::Error> {
    let rows: Vec<EventRow> = sqlx::query_as(
        "SELECT revision, key, value, lease FROM events \
         WHERE revision > ?1 AND revision <= ?2 AND key >= ?3 AND key < ?4 ORDER BY revision, key",
    )
    .bind(after.0 as i64)
    .bind(through.0 as i64)
    .bind(prefix)
    .bind(end_of(prefix))
    .fetch_all(connection)
    .await?;
    let mut commits: Vec<Changes> = Vec::new();
    for (revision, key, value, lease) in rows {
        let event = match value {
            Some(value) => Event::Put(to_entry((key, value, revision, lease))),
            None => Event::Delete { key },
        };
        let revision = Revision(revision as u64);
        match commits.last_mut() {
            Some(last) if last.revision == revision => last.events.push(event),
            _ => commits.push(Changes { revision, events: vec![event] }),
        }
    }
    Ok(commits)
}

/// Writes the events of a commit.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    changes: &Changes,
) -> Result<(), sqlx::Error> {
    for event in &changes.events {
        let (value, lease): (Option<&Bytes>, Option<LeaseId>) = match event {
            Event::Put(entry) => (Some(&entry.value), entry.lease),
            Event::Delete { .. } => (None, None),
        };
        sqlx::query("INSERT INTO events (revision, key, value, lease) VALUES (?1, ?2, ?3, ?4)")
            .bind(changes.revision.0 as i64)
            .bind(event.key())
            .bind(value.map(|it| &it[..]))
            .bind(lease.map(|it| it.0 as i64))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
