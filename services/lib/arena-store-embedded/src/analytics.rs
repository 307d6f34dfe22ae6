//! Analytics on `analytics.db`: enough to answer a developer's questions on one machine.

use std::path::Path;
use std::time::Duration;

use arena_store::limits::{ENTRIES_MAX, EVENTS_MAX};
use arena_store::{Analytics, AnalyticsEvent, Bucket, EventFilter, StoreError, check_key};
use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteSynchronous;
use tokio::task::JoinHandle;

use crate::OpenError;
use crate::database::{Database, Kind};
use crate::fault::Fault;

/// Events kept, about 200 bytes each; the oldest go first.
const EVENTS_KEPT: i64 = 1_000_000;
/// A batch this often, by chance of its first id, looks for events beyond that.
const TRIM_EVERY: u64 = 64;

/// Analytics of one process.
#[derive(Debug)]
pub(crate) struct EmbeddedAnalytics {
    database: Database,
}

impl EmbeddedAnalytics {
    /// Opens it, and starts the task that writes.
    pub(crate) async fn open(
        folder: &Path,
        bytes_max: Option<u64>,
    ) -> Result<(Self, JoinHandle<()>), OpenError> {
        let kind = Kind {
            file: "analytics.db",
            schema: &[("analytics", include_str!("../migrations/analytics/0001_analytics.sql"))],
            synchronous: SqliteSynchronous::Normal,
        };
        let (database, writer) = Database::open(folder, kind, bytes_max).await?;
        Ok((Self { database }, writer))
    }
}

#[async_trait]
impl Analytics for EmbeddedAnalytics {
    async fn append(&self, events: Vec<AnalyticsEvent>) -> Result<(), StoreError> {
        if events.len() > EVENTS_MAX {
            let reason = format!("{} at once, at most {EVENTS_MAX} are allowed", events.len());
            return Err(StoreError::invalid("events", reason));
        }
        events.iter().try_for_each(|it| check_key(&it.kind))?;
        if events.is_empty() {
            return Ok(());
        }
        self.database
            .writer
            .write(move |connection| Box::pin(async move { append(connection, &events).await }))
            .await
    }

    async fn events(
        &self,
        filter: EventFilter,
        count: usize,
    ) -> Result<Vec<AnalyticsEvent>, StoreError> {
        if count > ENTRIES_MAX {
            let reason = format!("{count} at once, at most {ENTRIES_MAX} are allowed");
            return Err(StoreError::invalid("count", reason));
        }
        let rows = sqlx::query_as::<_, (i64, i64, String)>(
            "SELECT id, at_ms, attributes FROM events \
             WHERE kind = ?1 AND at_ms >= ?2 AND at_ms < ?3 ORDER BY at_ms, id LIMIT ?4",
        )
        .bind(&filter.kind)
        .bind(to_i64(filter.from_ms))
        .bind(to_i64(filter.to_ms))
        .bind(count as i64)
        .fetch_all(&self.database.readers)
        .await;
        let rows = self.database.read(rows)?;
        rows.into_iter().map(|row| event(&filter.kind, row)).collect()
    }

    async fn count(&self, filter: EventFilter, width: Duration) -> Result<Vec<Bucket>, StoreError> {
        let width_ms = i64::try_from(width.as_millis()).unwrap_or(i64::MAX);
        if width_ms == 0 {
            return Err(StoreError::invalid("width", "it is less than a millisecond"));
        }
        let rows = sqlx::query_as::<_, (i64, i64)>(
            "SELECT at_ms / ?4 * ?4 AS start, count(*) FROM events \
             WHERE kind = ?1 AND at_ms >= ?2 AND at_ms < ?3 GROUP BY start ORDER BY start LIMIT ?5",
        )
        .bind(&filter.kind)
        .bind(to_i64(filter.from_ms))
        .bind(to_i64(filter.to_ms))
        .bind(width_ms)
        .bind(ENTRIES_MAX as i64)
        .fetch_all(&self.database.readers)
        .await;
        let bucket =
            |(start, count): (i64, i64)| Bucket { start_ms: start as u64, count: count as u64 };
        Ok(self.database.read(rows)?.into_iter().map(bucket).collect())
    }
}

fn to_i64(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn event(kind: &str, row: (i64, i64, String)) -> Result<AnalyticsEvent, StoreError> {
    let (id, at_ms, attributes) = row;
    let attributes = serde_json::from_str(&attributes).map_err(|error| StoreError::Corrupt {
        what: format!("analytics.db, event {id}"),
        reason: error.to_string(),
    })?;
    Ok(AnalyticsEvent { id: id as u64, kind: kind.to_owned(), at_ms: at_ms as u64, attributes })
}

async fn append(connection: &mut SqliteConnection, events: &[AnalyticsEvent]) -> Result<(), Fault> {
    for event in events {
        let attributes = serde_json::to_string(&event.attributes)
            .map_err(|error| StoreError::invalid("attributes", error.to_string()))?;
        sqlx::query(
            "INSERT INTO events (id, kind, at_ms, attributes) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(event.id as i64)
        .bind(&event.kind)
        .bind(to_i64(event.at_ms))
        .bind(attributes)
        .execute(&mut *connection)
        .await?;
    }
    if events.first().is_some_and(|it| it.id.is_multiple_of(TRIM_EVERY)) {
        trim(connection).await?;
    }
    Ok(())
}

/// Removes the oldest events beyond those kept.
async fn trim(connection: &mut SqliteConnection) -> Result<(), Fault> {
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut *connection).await?;
    let beyond = (count - EVENTS_KEPT).max(0);
    sqlx::query("DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY at_ms LIMIT ?1)")
        .bind(beyond)
        .execute(connection)
        .await?;
    Ok(())
}
