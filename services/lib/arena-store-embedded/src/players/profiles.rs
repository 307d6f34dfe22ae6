//! Profiles.

use arena_store::{Profile, StoreError};
use arena_types::PlayerId;
use sqlx::SqliteConnection;

use super::accounts;
use crate::fault::Fault;

pub(super) async fn read(
    connection: &mut SqliteConnection,
    player: PlayerId,
) -> Result<Option<Profile>, sqlx::Error> {
    let row: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, document FROM profiles WHERE player = ?1")
            .bind(accounts::id(player))
            .fetch_optional(connection)
            .await?;
    let profile = |(version, document): (i64, Vec<u8>)| Profile {
        player,
        version: version as u64,
        document: document.into(),
    };
    Ok(row.map(profile))
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    player: PlayerId,
    expected: u64,
    document: &[u8],
) -> Result<u64, Fault> {
    accounts::require(connection, player).await?;
    let version = read(connection, player).await?.map_or(0, |it| it.version);
    if version != expected {
        return Err(StoreError::conflict(format!("profile of player {player}")).into());
    }
    sqlx::query("INSERT OR REPLACE INTO profiles (player, version, document) VALUES (?1, ?2, ?3)")
        .bind(accounts::id(player))
        .bind((version + 1) as i64)
        .bind(document)
        .execute(connection)
        .await?;
    Ok(version + 1)
}
