//! Removes what has ended. Reads do not wait for it: they leave out what has ended by themselves.

use std::sync::Weak;
use std::time::Duration;

use arena_store::StoreError;
use sqlx::SqliteConnection;
use tokio::time::MissedTickBehavior;

use super::EmbeddedHot;
use crate::fault::Fault;

/// How often.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// Most rows of a table at once, so that a sweep does not hold up the writers behind it.
const ROWS_MAX: i64 = 500;

/// Sweeps until the store is dropped.
pub(super) async fn run(hot: Weak<EmbeddedHot>) {
    let mut tick = tokio::time::interval(SWEEP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(hot) = hot.upgrade() else { return };
        if let Err(error) = sweep(&hot).await {
            tracing::warn!(%error, "what has ended was not removed");
        }
    }
}

async fn sweep(hot: &EmbeddedHot) -> Result<(), StoreError> {
    hot.rates.sweep();
    hot.presence.sweep();
    hot.journals.sweep(ROWS_MAX).await?;
    let now_ms = hot.clock.now_ms();
    if hot.database.read(has_ended(hot, now_ms).await)? {
        let writer = &hot.database.writer;
        writer.write(move |connection| Box::pin(remove(connection, now_ms))).await?;
    }
    Ok(())
}

async fn has_ended(hot: &EmbeddedHot, now_ms: i64) -> Result<bool, sqlx::Error> {
    let found: i64 = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM hot_values WHERE expires_ms <= ?1) \
             OR EXISTS (SELECT 1 FROM counters WHERE expires_ms <= ?1)",
    )
    .bind(now_ms)
    .fetch_one(&hot.database.readers)
    .await?;
    Ok(found != 0)
}

async fn remove(connection: &mut SqliteConnection, now_ms: i64) -> Result<(), Fault> {
    for table in [
        "DELETE FROM hot_values WHERE key IN \
         (SELECT key FROM hot_values WHERE expires_ms <= ?1 LIMIT ?2)",
        "DELETE FROM counters WHERE key IN \
         (SELECT key FROM counters WHERE expires_ms <= ?1 LIMIT ?2)",
    ] {
        sqlx::query(table).bind(now_ms).bind(ROWS_MAX).execute(&mut *connection).await?;
    }
    Ok(())
}
