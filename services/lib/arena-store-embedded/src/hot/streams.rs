//! Streams: what is appended, and what a group has not seen.

use std::time::Duration;

use arena_store::limits::STREAM_WAIT_MAX;
use arena_store::{Delivery, EntryId, StoreError, check_key};
use bytes::Bytes;
use sqlx::SqliteConnection;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::database::Database;
use crate::fault::Fault;
use crate::rows::one_message;

/// Wakes the readers that wait, whatever their stream: there are few.
#[derive(Debug)]
pub(super) struct Streams {
    grown: watch::Sender<u64>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { grown: watch::Sender::new(0) }
    }
}

/// Who reads, and how much.
#[derive(Clone, Debug)]
pub(super) struct Consumer {
    pub(super) stream: String,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) count: i64,
}

impl Consumer {
    pub(super) fn check(
        stream: &str,
        group: &str,
        name: &str,
        count: i64,
    ) -> Result<Self, StoreError> {
        for key in [stream, group, name] {
            check_key(key)?;
        }
        let (stream, group, name) = (stream.to_owned(), group.to_owned(), name.to_owned());
        Ok(Self { stream, group, name, count })
    }
}

impl Streams {
    pub(super) async fn add(
        &self,
        database: &Database,
        stream: &str,
        value: Bytes,
        keep: u64,
    ) -> Result<EntryId, StoreError> {
        let (stream, grown) = (stream.to_owned(), self.grown.clone());
        database
            .writer
            .write_then(
                move |connection| {
                    Box::pin(async move { append(connection, &stream, &value, keep).await })
                },
                move |_| grown.send_modify(|it| *it += 1),
            )
            .await
    }

    pub(super) async fn read(
        &self,
        database: &Database,
        clock: Clock,
        reader: &Consumer,
        wait: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        let give_up = Instant::now() + wait.min(STREAM_WAIT_MAX);
        let mut grown = self.grown.subscribe(); // before the look, so that no entry falls between
        loop {
            if database.read(has_new(database, reader).await)? {
                let (reader, now_ms) = (reader.clone(), clock.now_ms());
                let taken = database
                    .writer
                    .write(move |connection| {
                        Box::pin(async move { take(connection, &reader, now_ms).await })
                    })
                    .await?;
                if !taken.is_empty() {
                    return Ok(taken);
                }
            }
            match timeout_at(give_up, grown.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Ok(Vec::new()),
            }
        }
    }
}

/// The no-op update makes `RETURNING` return a row that was there.
const STREAM_ID: &str = "INSERT INTO streams (last, name) VALUES (?1, ?2) \
     ON CONFLICT (name) DO UPDATE SET name = name RETURNING id";
const GROUP_ID: &str = "INSERT INTO stream_groups (stream, name, last) VALUES (?1, ?2, 0) \
     ON CONFLICT (stream, name) DO UPDATE SET name = name RETURNING id";

/// Returns the id of a row made or found.
async fn row_id(
    connection: &mut SqliteConnection,
    statement: &'static str,
    first: i64,
    name: &str,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(statement).bind(first).bind(name).fetch_one(connection).await
}

async fn append(
    connection: &mut SqliteConnection,
    stream: &str,
    value: &[u8],
    keep: u64,
) -> Result<EntryId, Fault> {
    let id = row_id(connection, STREAM_ID, 0, stream).await?;
    let number: i64 =
        sqlx::query_scalar("UPDATE streams SET last = last + 1 WHERE id = ?1 RETURNING last")
            .bind(id)
            .fetch_one(&mut *connection)
            .await?;
    sqlx::query("INSERT INTO stream_entries (stream, number, value) VALUES (?1, ?2, ?3)")
        .bind(id)
        .bind(number)
        .bind(value)
        .execute(&mut *connection)
        .await?;
    let forgotten = number.saturating_sub(i64::try_from(keep).unwrap_or(i64::MAX));
    for statement in [
        "DELETE FROM stream_entries WHERE stream = ?1 AND number <= ?2",
        "DELETE FROM stream_pending WHERE number <= ?2 \
         AND grp IN (SELECT id FROM stream_groups WHERE stream = ?1)",
    ] {
        sqlx::query(statement).bind(id).bind(forgotten).execute(&mut *connection).await?;
    }
    Ok(EntryId(number.to_string()))
}

/// Looks without writing whether there is anything the group has not seen.
async fn has_new(database: &Database, reader: &Consumer) -> Result<bool, sqlx::Error> {
    let found: i64 = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM streams s WHERE s.name = ?1 AND s.last > coalesce( \
         (SELECT g.last FROM stream_groups g WHERE g.stream = s.id AND g.name = ?2), 0))",
    )
    .bind(&reader.stream)
    .bind(&reader.group)
    .fetch_one(&database.readers)
    .await?;
    Ok(found != 0)
}

/// Hands out what the group has not seen.
async fn take(
    connection: &mut SqliteConnection,
    reader: &Consumer,
    now_ms: i64,
) -> Result<Vec<Delivery>, Fault> {
    let stream = row_id(connection, STREAM_ID, 0, &reader.stream).await?;
    let group = row_id(connection, GROUP_ID, stream, &reader.group).await?;
    let unseen = sqlx::query_as::<_, (i64, Vec<u8>)>(
        "SELECT number, value FROM stream_entries WHERE stream = ?1 \
         AND number > (SELECT last FROM stream_groups WHERE id = ?2) ORDER BY number LIMIT ?3",
    )
    .bind(stream)
    .bind(group)
    .bind(reader.count)
    .fetch(&mut *connection);
    let rows = one_message(unseen, |(_, value)| value.len()).await?;
    for (number, _) in &rows {
        sqlx::query(
            "INSERT INTO stream_pending (grp, number, consumer, delivered_ms, deliveries) \
             VALUES (?1, ?2, ?3, ?4, 1)",
        )
        .bind(group)
        .bind(number)
        .bind(&reader.name)
        .bind(now_ms)
        .execute(&mut *connection)
        .await?;
    }
    if let Some((last, _)) = rows.last() {
        sqlx::query("UPDATE stream_groups SET last = ?2 WHERE id = ?1")
            .bind(group)
            .bind(last)
            .execute(connection)
            .await?;
    }
    let delivery = |(number, value): (i64, Vec<u8>)| Delivery {
        id: EntryId(number.to_string()),
        value: value.into(),
        deliveries: 1,
    };
    Ok(rows.into_iter().map(delivery).collect())
}
