//! Accounts and credentials.

use arena_store::{Account, Credential, CredentialKey, StoreError};
use arena_types::PlayerId;
use sqlx::SqliteConnection;

use super::keys::credential_columns;
use crate::fault::Fault;

pub(super) fn id(player: PlayerId) -> i64 {
    player.as_u64() as i64
}

pub(super) fn player(id: i64) -> PlayerId {
    PlayerId::from_u64(id as u64)
}

pub(super) async fn read(
    connection: &mut SqliteConnection,
    who: PlayerId,
) -> Result<Option<Account>, sqlx::Error> {
    let row: Option<(String, i64)> =
        sqlx::query_as("SELECT name, created_ms FROM accounts WHERE id = ?1")
            .bind(id(who))
            .fetch_optional(connection)
            .await?;
    Ok(row.map(|(name, created_ms)| Account { id: who, name, created_ms: created_ms as u64 }))
}

/// Refuses a player without an account.
pub(super) async fn require(connection: &mut SqliteConnection, who: PlayerId) -> Result<(), Fault> {
    match read(connection, who).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::not_found(format!("player {who}")).into()),
    }
}

pub(super) async fn create(
    connection: &mut SqliteConnection,
    account: &Account,
    credential: &Credential,
) -> Result<(), Fault> {
    if read(connection, account.id).await?.is_some() {
        return Err(StoreError::conflict(format!("player {}", account.id)).into());
    }
    if self::credential(connection, &credential.key).await?.is_some() {
        return Err(taken(&credential.key));
    }
    sqlx::query("INSERT INTO accounts (id, name, created_ms) VALUES (?1, ?2, ?3)")
        .bind(id(account.id))
        .bind(&account.name)
        .bind(account.created_ms as i64)
        .execute(&mut *connection)
        .await?;
    insert_credential(connection, credential).await
}

/// Names the credential without what a login would need.
fn taken(key: &CredentialKey) -> Fault {
    let (kind, _) = credential_columns(key);
    StoreError::conflict(format!("{kind} credential")).into()
}

pub(super) async fn rename(
    connection: &mut SqliteConnection,
    who: PlayerId,
    name: &str,
) -> Result<(), Fault> {
    require(connection, who).await?;
    sqlx::query("UPDATE accounts SET name = ?2 WHERE id = ?1")
        .bind(id(who))
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn credential(
    connection: &mut SqliteConnection,
    key: &CredentialKey,
) -> Result<Option<Credential>, sqlx::Error> {
    let (kind, value) = credential_columns(key);
    let row: Option<(i64, Option<String>)> =
        sqlx::query_as("SELECT player, secret FROM credentials WHERE kind = ?1 AND value = ?2")
            .bind(kind)
            .bind(value)
            .fetch_optional(connection)
            .await?;
    let found =
        |(owner, secret): (i64, _)| Credential { key: key.clone(), player: player(owner), secret };
    Ok(row.map(found))
}

async fn insert_credential(
    connection: &mut SqliteConnection,
    credential: &Credential,
) -> Result<(), Fault> {
    let (kind, value) = credential_columns(&credential.key);
    sqlx::query(
        "INSERT INTO credentials (kind, value, player, secret) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (kind, value) DO UPDATE SET secret = ?4",
    )
    .bind(kind)
    .bind(value)
    .bind(id(credential.player))
    .bind(&credential.secret)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn put_credential(
    connection: &mut SqliteConnection,
    new: &Credential,
) -> Result<(), Fault> {
    match credential(connection, &new.key).await? {
        Some(found) if found.player != new.player => return Err(taken(&new.key)),
        Some(_) => {}
        None => require(connection, new.player).await?,
    }
    insert_credential(connection, new).await
}

pub(super) async fn remove_credential(
    connection: &mut SqliteConnection,
    who: PlayerId,
    key: &CredentialKey,
) -> Result<bool, Fault> {
    match credential(connection, key).await? {
        Some(found) if found.player == who => {}
        _ => return Ok(false),
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM credentials WHERE player = ?1")
        .bind(id(who))
        .fetch_one(&mut *connection)
        .await?;
    if count <= 1 {
        return Err(StoreError::conflict(format!("the last credential of player {who}")).into());
    }
    let (kind, value) = credential_columns(key);
    sqlx::query("DELETE FROM credentials WHERE kind = ?1 AND value = ?2")
        .bind(kind)
        .bind(value)
        .execute(connection)
        .await?;
    Ok(true)
}
