//! Ratings.

use arena_store::{Rating, RatingKey, RatingUpdate, StoreError};
use sqlx::SqliteConnection;

use super::accounts;
use crate::fault::Fault;

pub(super) async fn read(
    connection: &mut SqliteConnection,
    key: &RatingKey,
) -> Result<Option<Rating>, sqlx::Error> {
    let row: Option<(f64, f64, f64, i64, i64, i64)> = sqlx::query_as(
        "SELECT value, deviation, volatility, matches, updated_ms, version FROM ratings \
         WHERE player = ?1 AND mode = ?2",
    )
    .bind(accounts::id(key.player))
    .bind(&key.mode)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|(value, deviation, volatility, matches, updated_ms, version)| Rating {
        value,
        deviation,
        volatility,
        matches: matches as u32,
        updated_ms: updated_ms as u64,
        version: version as u64,
    }))
}

/// Writes a rating over the version it was computed from.
pub(super) async fn update(
    connection: &mut SqliteConnection,
    update: &RatingUpdate,
    now_ms: u64,
) -> Result<(), Fault> {
    let key = &update.key;
    let found = read(connection, key).await?;
    let (version, matches) = found.map_or((0, 0), |it| (it.version, it.matches));
    if version != update.expected {
        let what = format!("rating of player {} in {}", key.player, key.mode);
        return Err(StoreError::conflict(what).into());
    }
    sqlx::query(
        "INSERT OR REPLACE INTO ratings \
         (player, mode, value, deviation, volatility, matches, updated_ms, version) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(accounts::id(key.player))
    .bind(&key.mode)
    .bind(update.value)
    .bind(update.deviation)
    .bind(update.volatility)
    .bind(i64::from(matches) + 1)
    .bind(now_ms as i64)
    .bind((version + 1) as i64)
    .execute(connection)
    .await?;
    Ok(())
}
