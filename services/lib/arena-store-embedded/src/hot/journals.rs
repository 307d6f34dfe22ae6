//! Journals, on a file of their own: an append is in the system's hands when it is answered, and no sync of the
//! disk holds it up. Whatever else is hot waits for one.

use std::path::Path;

use arena_store::limits::{ENTRIES_MAX, WRITE_BYTES_MAX};
use arena_store::{JournalAppend, JournalEntry, StoreError, check_key, check_ttl, check_value};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteSynchronous;
use tokio::task::JoinHandle;

use crate::OpenError;
use crate::clock::Clock;
use crate::database::{Database, Kind};
use crate::fault::Fault;
use crate::rows::one_message;

/// The journals of one process. The tables of the same names in `hot.db` are what they were written to before; they
/// stay, empty, so that the release before can open that file.
#[derive(Debug)]
pub(super) struct Journals {
    database: Database,
    clock: Clock,
}

impl Journals {
    /// Opens them, and starts the task that writes.
    pub(super) async fn open(
        folder: &Path,
        bytes_max: Option<u64>,
        clock: Clock,
    ) -> Result<(Self, JoinHandle<()>), OpenError> {
        let kind = Kind {
            file: "journals.db",
            schema: &[("journals", include_str!("../../migrations/journals/0001_journals.sql"))],
            synchronous: SqliteSynchronous::Normal,
        };
        let (database, writer) = Database::open(folder, kind, bytes_max).await?;
        Ok((Self { database, clock }, writer))
    }

    pub(super) async fn append(&self, appends: Vec<JournalAppend>) -> Result<Vec<u64>, StoreError> {
        check(&appends)?;
        let clock = self.clock;
        self.database
            .writer
            .write(move |connection| {
                Box::pin(async move { append(connection, appends, clock).await })
            })
            .await
    }

    pub(super) async fn read(
        &self,
        journal: &str,
        after: u64,
        count: i64,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        check_key(journal)?;
        let now_ms = self.clock.now_ms();
        let mut reader = self.database.read(self.database.readers.acquire().await)?;
        self.database.read(read(&mut reader, journal, after, count, now_ms).await)
    }

    pub(super) async fn trim(&self, journal: &str, through: u64) -> Result<(), StoreError> {
        check_key(journal)?;
        let journal = journal.to_owned();
        self.database
            .writer
            .write(move |connection| {
                Box::pin(async move { trim(connection, &journal, through).await })
            })
            .await
    }

    pub(super) async fn delete(&self, journal: &str) -> Result<(), StoreError> {
        check_key(journal)?;
        let journal = journal.to_owned();
        self.database
            .writer
            .write(move |connection| {
                Box::pin(async move { Ok(delete_rows(connection, &journal).await?) })
            })
            .await
    }

    /// Removes at most `rows_max` journals that have ended.
    pub(super) async fn sweep(&self, rows_max: i64) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        let ended = "SELECT EXISTS (SELECT 1 FROM journals WHERE expires_ms <= ?1)";
        let ended = sqlx::query_scalar(ended).bind(now_ms).fetch_one(&self.database.readers).await;
        let ended: i64 = self.database.read(ended)?;
        if ended == 0 {
            return Ok(());
        }
        self.database
            .writer
            .write(move |connection| Box::pin(remove_ended(connection, now_ms, rows_max)))
            .await
    }
}

/// Checks an append against the limits.
fn check(appends: &[JournalAppend]) -> Result<(), StoreError> {
    let entries = appends.iter().flat_map(|it| &it.entries);
    let (count, bytes) = entries.fold((0, 0), |(count, bytes), it| (count + 1, bytes + it.len()));
    if appends.len().max(count) > ENTRIES_MAX || bytes > WRITE_BYTES_MAX {
        let reason = format!(
            "{count} entries of {bytes} bytes, at most {ENTRIES_MAX} of {WRITE_BYTES_MAX} together"
        );
        return Err(StoreError::invalid("append", reason));
    }
    for append in appends {
        check_key(&append.journal)?;
        check_ttl(Some(append.ttl))?;
        append.entries.iter().try_for_each(|it| check_value(it))?;
    }
    Ok(())
}

/// A journal's row: its id and the number of its last entry.
async fn find(
    connection: &mut SqliteConnection,
    journal: &str,
    now_ms: i64,
) -> Result<Option<(i64, i64)>, sqlx::Error> {
    sqlx::query_as("SELECT id, last FROM journals WHERE name = ?1 AND expires_ms > ?2")
        .bind(journal)
        .bind(now_ms)
        .fetch_optional(connection)
        .await
}

async fn append(
    connection: &mut SqliteConnection,
    appends: Vec<JournalAppend>,
    clock: Clock,
) -> Result<Vec<u64>, Fault> {
    let mut lasts = Vec::with_capacity(appends.len());
    for append in appends {
        lasts.push(append_one(connection, append, clock).await?);
    }
    Ok(lasts)
}

async fn append_one(
    connection: &mut SqliteConnection,
    append: JournalAppend,
    clock: Clock,
) -> Result<u64, Fault> {
    let (id, last) = match find(connection, &append.journal, clock.now_ms()).await? {
        Some(found) => found,
        None => (start(connection, &append.journal).await?, 0),
    };
    if append.after.is_some_and(|it| it != last as u64) {
        return Err(StoreError::conflict(append.journal).into());
    }
    let mut number = last;
    for entry in &append.entries {
        number += 1;
        sqlx::query("INSERT INTO journal_entries (journal, number, value) VALUES (?1, ?2, ?3)")
            .bind(id)
            .bind(number)
            .bind(&entry[..])
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("UPDATE journals SET last = ?2, expires_ms = ?3 WHERE id = ?1")
        .bind(id)
        .bind(number)
        .bind(clock.end_ms(append.ttl))
        .execute(connection)
        .await?;
    Ok(number as u64)
}

/// Makes a journal, in place of one that has ended.
async fn start(connection: &mut SqliteConnection, journal: &str) -> Result<i64, sqlx::Error> {
    delete_rows(connection, journal).await?;
    let made = sqlx::query("INSERT INTO journals (name, last, expires_ms) VALUES (?1, 0, 0)")
        .bind(journal)
        .execute(connection)
        .await?;
    Ok(made.last_insert_rowid())
}

async fn read(
    connection: &mut SqliteConnection,
    journal: &str,
    after: u64,
    count: i64,
    now_ms: i64,
) -> Result<Vec<JournalEntry>, sqlx::Error> {
    let Some((id, _)) = find(connection, journal, now_ms).await? else { return Ok(Vec::new()) };
    let rows = sqlx::query_as::<_, (i64, Vec<u8>)>(
        "SELECT number, value FROM journal_entries WHERE journal = ?1 AND number > ?2 \
         ORDER BY number LIMIT ?3",
    )
    .bind(id)
    .bind(i64::try_from(after).unwrap_or(i64::MAX))
    .bind(count)
    .fetch(connection);
    let rows = one_message(rows, |(_, value)| value.len()).await?;
    let entry = |(number, value): (i64, Vec<u8>)| JournalEntry {
        number: number as u64,
        value: value.into(),
    };
    Ok(rows.into_iter().map(entry).collect())
}

async fn trim(connection: &mut SqliteConnection, journal: &str, through: u64) -> Result<(), Fault> {
    sqlx::query(
        "DELETE FROM journal_entries WHERE number <= ?2 \
         AND journal = (SELECT id FROM journals WHERE name = ?1)",
    )
    .bind(journal)
    .bind(i64::try_from(through).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

async fn remove_ended(
    connection: &mut SqliteConnection,
    now_ms: i64,
    rows_max: i64,
) -> Result<(), Fault> {
    sqlx::query(
        "DELETE FROM journals WHERE id IN \
         (SELECT id FROM journals WHERE expires_ms <= ?1 LIMIT ?2)",
    )
    .bind(now_ms)
    .bind(rows_max)
    .execute(connection)
    .await?;
    Ok(())
}

async fn delete_rows(connection: &mut SqliteConnection, journal: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM journals WHERE name = ?1").bind(journal).execute(connection).await?;
    Ok(())
}
