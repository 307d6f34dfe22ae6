//! Bans.

use arena_store::{Ban, BanSubject};
use sqlx::SqliteConnection;

use super::keys::{subject, subject_columns};
use crate::fault::Fault;

pub(super) async fn write(connection: &mut SqliteConnection, ban: &Ban) -> Result<(), Fault> {
    let (kind, value) = subject_columns(&ban.subject);
    sqlx::query(
        "INSERT OR REPLACE INTO bans (kind, value, scope, reason, set_by, created_ms, until_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(kind)
    .bind(value)
    .bind(&ban.scope)
    .bind(&ban.reason)
    .bind(&ban.by)
    .bind(ban.created_ms as i64)
    .bind(ban.until_ms.map(|it| it as i64))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn lift(
    connection: &mut SqliteConnection,
    subject: &BanSubject,
    scope: &str,
) -> Result<bool, Fault> {
    let (kind, value) = subject_columns(subject);
    let lifted = sqlx::query("DELETE FROM bans WHERE kind = ?1 AND value = ?2 AND scope = ?3")
        .bind(kind)
        .bind(value)
        .bind(scope)
        .execute(connection)
        .await?;
    Ok(lifted.rows_affected() > 0)
}

/// Reads the bans that hold, in the order of the subjects, then by scope.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    subjects: &[BanSubject],
    now_ms: u64,
) -> Result<Vec<Ban>, Fault> {
    let mut bans = Vec::new();
    for asked in subjects {
        let (kind, value) = subject_columns(asked);
        let rows: Vec<(String, String, String, i64, Option<i64>)> = sqlx::query_as(
            "SELECT scope, reason, set_by, created_ms, until_ms FROM bans \
             WHERE kind = ?1 AND value = ?2 AND (until_ms IS NULL OR until_ms > ?3) ORDER BY scope",
        )
        .bind(kind)
        .bind(&value)
        .bind(now_ms as i64)
        .fetch_all(&mut *connection)
        .await?;
        for (scope, reason, by, created_ms, until_ms) in rows {
            bans.push(Ban {
                subject: subject(kind, value.clone())?,
                scope,
                reason,
                by,
                created_ms: created_ms as u64,
                until_ms: until_ms.map(|it| it as u64),
            });
        }
    }
    Ok(bans)
}
