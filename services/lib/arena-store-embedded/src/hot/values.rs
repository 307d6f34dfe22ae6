//! Values and counters.

use arena_store::{Expected, StoreError, Swap, Version, Versioned};
use bytes::Bytes;
use sqlx::SqliteConnection;

use crate::fault::Fault;

pub(super) async fn read(
    connection: &mut SqliteConnection,
    key: &str,
    now_ms: i64,
) -> Result<Option<Versioned>, sqlx::Error> {
    let row: Option<(Vec<u8>, i64)> = sqlx::query_as(
        "SELECT value, version FROM hot_values \
         WHERE key = ?1 AND (expires_ms IS NULL OR expires_ms > ?2)",
    )
    .bind(key)
    .bind(now_ms)
    .fetch_optional(connection)
    .await?;
    let value = |(value, version): (Vec<u8>, i64)| Versioned {
        value: value.into(),
        version: Version(version as u64),
    };
    Ok(row.map(value))
}

/// A value to write.
pub(super) struct Write {
    key: String,
    value: Bytes,
    end_ms: Option<i64>,
}

impl Write {
    pub(super) fn new(key: &str, value: Bytes, end_ms: Option<i64>) -> Self {
        Self { key: key.to_owned(), value, end_ms }
    }

    pub(super) async fn run(self, connection: &mut SqliteConnection) -> Result<Version, Fault> {
        let version: i64 =
            sqlx::query_scalar("UPDATE meta SET version = version + 1 RETURNING version")
                .fetch_one(&mut *connection)
                .await?;
        sqlx::query(
            "INSERT INTO hot_values (key, value, version, expires_ms) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (key) DO UPDATE SET value = ?2, version = ?3, expires_ms = ?4",
        )
        .bind(self.key)
        .bind(&self.value[..])
        .bind(version)
        .bind(self.end_ms)
        .execute(connection)
        .await?;
        Ok(Version(version as u64))
    }

    pub(super) async fn run_over(
        self,
        connection: &mut SqliteConnection,
        expected: Expected,
        now_ms: i64,
    ) -> Result<Swap, Fault> {
        let found = read(connection, &self.key, now_ms).await?;
        match (expected, &found) {
            (Expected::Absent, None) => {}
            (Expected::Version(version), Some(found)) if found.version == version => {}
            _ => return Ok(Swap::Refused(found)),
        }
        Ok(Swap::Swapped(self.run(connection).await?))
    }
}

pub(super) async fn delete(
    connection: &mut SqliteConnection,
    key: &str,
    now_ms: i64,
) -> Result<bool, Fault> {
    let was_there = read(connection, key, now_ms).await?.is_some();
    sqlx::query("DELETE FROM hot_values WHERE key = ?1").bind(key).execute(connection).await?;
    Ok(was_there)
}

/// Adds to a counter; `SQLite`'s own `+` would turn an overflow into a float.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    counter: &str,
    by: i64,
    now_ms: i64,
    end_ms: Option<i64>,
) -> Result<i64, Fault> {
    let row: Option<(i64, Option<i64>)> =
        sqlx::query_as("SELECT value, expires_ms FROM counters WHERE key = ?1")
            .bind(counter)
            .fetch_optional(&mut *connection)
            .await?;
    let (value, end_ms) = match row {
        Some((value, end)) if end.is_none_or(|it| it > now_ms) => (value, end),
        _ => (0, end_ms),
    };
    let sum = value.checked_add(by).ok_or_else(|| {
        StoreError::invalid(counter, format!("{value} and {by} are more than 64 bits"))
    })?;
    sqlx::query(
        "INSERT INTO counters (key, value, expires_ms) VALUES (?1, ?2, ?3) \
         ON CONFLICT (key) DO UPDATE SET value = ?2, expires_ms = ?3",
    )
    .bind(counter)
    .bind(sum)
    .bind(end_ms)
    .execute(connection)
    .await?;
    Ok(sum)
}
