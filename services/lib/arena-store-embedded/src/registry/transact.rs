//! What changes the registry, inside the writer's transaction.

use std::time::Duration;

use arena_store::{
    Change, Changes, Compare, Condition, Entry, Event, LeaseId, Revision, StoreError, Transaction,
    TransactionOutcome,
};
use sqlx::SqliteConnection;

use super::rows;
use crate::fault::Fault;

/// Commits whose events are kept for watches that were away: at 50 commits a second, 3 minutes.
pub(super) const COMMITS_KEPT: u64 = 10_000;
/// How often, in commits, older events are removed.
const COMPACT_EVERY: u64 = 500;

/// Checks the conditions and makes the changes; returns what watches are told.
pub(super) async fn run(
    connection: &mut SqliteConnection,
    transaction: Transaction,
) -> Result<(TransactionOutcome, Option<Changes>), Fault> {
    let mut found = Vec::with_capacity(transaction.compares.len());
    for compare in &transaction.compares {
        found.push(rows::entry(connection, &compare.key).await?);
    }
    if !transaction
        .compares
        .iter()
        .zip(&found)
        .all(|(compare, entry)| holds(compare, entry.as_ref()))
    {
        return Ok((TransactionOutcome::Refused { found }, None));
    }
    let revision = rows::marks(connection).await?.revision;
    let changes = apply(connection, Revision(revision.0 + 1), transaction.changes).await?;
    let Some(changes) = commit(connection, changes).await? else {
        return Ok((TransactionOutcome::Committed { revision }, None));
    };
    Ok((TransactionOutcome::Committed { revision: changes.revision }, Some(changes)))
}

fn holds(compare: &Compare, entry: Option<&Entry>) -> bool {
    match (compare.condition, entry) {
        (Condition::Absent, None) | (Condition::Present, Some(_)) => true,
        (Condition::WrittenAt(revision), Some(entry)) => entry.revision == revision,
        (Condition::Absent, Some(_)) | (Condition::Present | Condition::WrittenAt(_), None) => {
            false
        }
    }
}

async fn apply(
    connection: &mut SqliteConnection,
    revision: Revision,
    changes: Vec<Change>,
) -> Result<Changes, Fault> {
    let mut events = Vec::with_capacity(changes.len());
    for change in changes {
        match change {
            Change::Put { key, value, lease } => {
                let entry = Entry { key, value, revision, lease };
                put(connection, &entry).await?;
                events.push(Event::Put(entry));
            }
            Change::Delete { key } => {
                let deleted = sqlx::query("DELETE FROM entries WHERE key = ?1")
                    .bind(&key)
                    .execute(&mut *connection)
                    .await?;
                if deleted.rows_affected() > 0 {
                    events.push(Event::Delete { key });
                }
            }
        }
    }
    events.sort_by(|a, b| a.key().cmp(b.key()));
    Ok(Changes { revision, events })
}

async fn put(connection: &mut SqliteConnection, entry: &Entry) -> Result<(), Fault> {
    if let Some(lease) = entry.lease {
        let known: i64 = sqlx::query_scalar("SELECT count(*) FROM leases WHERE id = ?1")
            .bind(lease.0 as i64)
            .fetch_one(&mut *connection)
            .await?;
        if known == 0 {
            return Err(StoreError::not_found(lease.to_string()).into());
        }
    }
    sqlx::query(
        "INSERT INTO entries (key, value, revision, lease) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (key) DO UPDATE SET value = ?2, revision = ?3, lease = ?4",
    )
    .bind(&entry.key)
    .bind(&entry.value[..])
    .bind(entry.revision.0 as i64)
    .bind(entry.lease.map(|it| it.0 as i64))
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts and records a commit, unless it did nothing.
async fn commit(
    connection: &mut SqliteConnection,
    changes: Changes,
) -> Result<Option<Changes>, Fault> {
    if changes.events.is_empty() {
        return Ok(None);
    }
    let revision = changes.revision.0;
    sqlx::query("UPDATE meta SET revision = ?1")
        .bind(revision as i64)
        .execute(&mut *connection)
        .await?;
    rows::record(connection, &changes).await?;
    if revision.is_multiple_of(COMPACT_EVERY) && revision > COMMITS_KEPT {
        compact(connection, revision - COMMITS_KEPT).await?;
    }
    Ok(Some(changes))
}

async fn compact(connection: &mut SqliteConnection, through: u64) -> Result<(), Fault> {
    sqlx::query("DELETE FROM events WHERE revision <= ?1")
        .bind(through as i64)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE meta SET compacted = ?1").bind(through as i64).execute(connection).await?;
    Ok(())
}

pub(super) async fn grant_lease(
    connection: &mut SqliteConnection,
    ttl: Duration,
) -> Result<LeaseId, Fault> {
    let granted = sqlx::query("INSERT INTO leases (ttl_ms) VALUES (?1)")
        .bind(ttl.as_millis() as i64)
        .execute(connection)
        .await?;
    Ok(LeaseId(granted.last_insert_rowid() as u64))
}

/// Removes a lease and its keys in one commit.
pub(super) async fn end_lease(
    connection: &mut SqliteConnection,
    lease: LeaseId,
) -> Result<Option<Changes>, Fault> {
    sqlx::query("DELETE FROM leases WHERE id = ?1")
        .bind(lease.0 as i64)
        .execute(&mut *connection)
        .await?;
    let keys: Vec<String> = sqlx::query_scalar("SELECT key FROM entries WHERE lease = ?1")
        .bind(lease.0 as i64)
        .fetch_all(&mut *connection)
        .await?;
    let revision = Revision(rows::marks(connection).await?.revision.0 + 1);
    let deletes = keys.into_iter().map(|key| Change::Delete { key }).collect();
    let changes = apply(connection, revision, deletes).await?;
    commit(connection, changes).await
}
