//! What was handed out of a stream and not acknowledged.

use std::time::Duration;

use arena_store::{Delivery, EntryId, Pending, StoreError};
use sqlx::SqliteConnection;

use super::streams::Consumer;
use crate::fault::Fault;
use crate::rows::one_message;

/// Reads the numbers of entries.
pub(super) fn numbers(ids: &[EntryId]) -> Result<Vec<i64>, StoreError> {
    let number = |id: &EntryId| {
        let parsed = id.0.parse::<i64>();
        parsed.map_err(|_| StoreError::invalid("id", format!("`{id}` is not of this stream")))
    };
    ids.iter().map(number).collect()
}

pub(super) async fn acknowledge(
    connection: &mut SqliteConnection,
    stream: &str,
    group: &str,
    numbers: &[i64],
) -> Result<u64, Fault> {
    let mut acknowledged = 0;
    for number in numbers {
        let deleted = sqlx::query(
            "DELETE FROM stream_pending WHERE number = ?3 AND grp = \
             (SELECT g.id FROM stream_groups g JOIN streams s ON g.stream = s.id \
              WHERE s.name = ?1 AND g.name = ?2)",
        )
        .bind(stream)
        .bind(group)
        .bind(number)
        .execute(&mut *connection)
        .await?;
        acknowledged += deleted.rows_affected();
    }
    Ok(acknowledged)
}

pub(super) async fn pending(
    connection: &mut SqliteConnection,
    stream: &str,
    group: &str,
    count: i64,
    now_ms: i64,
) -> Result<Vec<Pending>, sqlx::Error> {
    let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(
        "SELECT p.number, p.consumer, p.delivered_ms, p.deliveries FROM stream_pending p \
         JOIN stream_groups g ON p.grp = g.id JOIN streams s ON g.stream = s.id \
         WHERE s.name = ?1 AND g.name = ?2 ORDER BY p.number LIMIT ?3",
    )
    .bind(stream)
    .bind(group)
    .bind(count)
    .fetch_all(connection)
    .await?;
    let line = |(number, consumer, delivered_ms, deliveries): (i64, String, i64, i64)| Pending {
        id: EntryId(number.to_string()),
        consumer,
        idle: Duration::from_millis((now_ms - delivered_ms).max(0) as u64),
        deliveries: deliveries as u32,
    };
    Ok(rows.into_iter().map(line).collect())
}

/// Hands `claimer` what was handed out at `before_ms` or earlier.
pub(super) async fn claim(
    connection: &mut SqliteConnection,
    claimer: &Consumer,
    before_ms: i64,
    now_ms: i64,
) -> Result<Vec<Delivery>, Fault> {
    let idle = sqlx::query_as::<_, (i64, i64, i64, Vec<u8>)>(
        "SELECT p.grp, p.number, p.deliveries + 1, e.value FROM stream_pending p \
         JOIN stream_groups g ON p.grp = g.id JOIN streams s ON g.stream = s.id \
         JOIN stream_entries e ON e.stream = s.id AND e.number = p.number \
         WHERE s.name = ?1 AND g.name = ?2 AND p.delivered_ms <= ?3 ORDER BY p.number LIMIT ?4",
    )
    .bind(&claimer.stream)
    .bind(&claimer.group)
    .bind(before_ms)
    .bind(claimer.count)
    .fetch(&mut *connection);
    let rows = one_message(idle, |row| row.3.len()).await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for (group, number, deliveries, value) in rows {
        sqlx::query(
            "UPDATE stream_pending SET consumer = ?3, delivered_ms = ?4, deliveries = ?5 \
             WHERE grp = ?1 AND number = ?2",
        )
        .bind(group)
        .bind(number)
        .bind(&claimer.name)
        .bind(now_ms)
        .bind(deliveries)
        .execute(&mut *connection)
        .await?;
        let id = EntryId(number.to_string());
        claimed.push(Delivery { id, value: value.into(), deliveries: deliveries as u32 });
    }
    Ok(claimed)
}
