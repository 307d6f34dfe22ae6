//! The player store on `players.db`.

mod accounts;
mod bans;
mod keys;
mod profiles;
mod ratings;
mod results;
mod sessions;

use std::path::Path;
use std::time::Duration;

use arena_store::limits::{PAGE_MAX, PROFILE_BYTES_MAX};
use arena_store::{
    Account, Ban, BanSubject, Credential, CredentialKey, HistoryCursor, MatchResult, NewSession,
    PlayerStore, Profile, Rating, RatingKey, RatingUpdate, Recorded, Rotation, Session, SessionEnd,
    StoreError, TokenHash, check_key, check_name,
};
use arena_types::{MatchId, PlayerId, SessionId};
use async_trait::async_trait;
use bytes::Bytes;
use sqlx::SqliteConnection;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{Sqlite, SqliteSynchronous};
use tokio::task::JoinHandle;

use crate::OpenError;
use crate::database::{Database, Kind};
use crate::writer::Work;

/// The player store of one process.
#[derive(Debug)]
pub(crate) struct EmbeddedPlayers {
    database: Database,
}

impl EmbeddedPlayers {
    /// Opens it, and starts the task that writes.
    pub(crate) async fn open(
        folder: &Path,
        bytes_max: Option<u64>,
    ) -> Result<(Self, JoinHandle<()>), OpenError> {
        let kind = Kind {
            file: "players.db",
            schema: &[("players", include_str!("../migrations/players/0001_players.sql"))],
            synchronous: SqliteSynchronous::Full,
        };
        let (database, writer) = Database::open(folder, kind, bytes_max).await?;
        Ok((Self { database }, writer))
    }

    async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.database.read(self.database.readers.acquire().await)
    }

    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
    {
        self.database.writer.write(work).await
    }
}

#[async_trait]
impl PlayerStore for EmbeddedPlayers {
    async fn create_account(
        &self,
        account: Account,
        credential: Credential,
    ) -> Result<(), StoreError> {
        check_name(&account.name)?;
        keys::check_credential(&credential)?;
        if credential.player != account.id {
            return Err(StoreError::invalid("credential", "it belongs to another player"));
        }
        self.write(move |connection| {
            Box::pin(async move { accounts::create(connection, &account, &credential).await })
        })
        .await
    }

    async fn account(&self, player: PlayerId) -> Result<Option<Account>, StoreError> {
        let mut reader = self.reader().await?;
        self.database.read(accounts::read(&mut reader, player).await)
    }

    async fn rename(&self, player: PlayerId, name: &str) -> Result<(), StoreError> {
        check_name(name)?;
        let name = name.to_owned();
        self.write(move |connection| {
            Box::pin(async move { accounts::rename(connection, player, &name).await })
        })
        .await
    }

    async fn credential(&self, key: &CredentialKey) -> Result<Option<Credential>, StoreError> {
        let mut reader = self.reader().await?;
        self.database.read(accounts::credential(&mut reader, key).await)
    }

    async fn put_credential(&self, credential: Credential) -> Result<(), StoreError> {
        keys::check_credential(&credential)?;
        self.write(move |connection| {
            Box::pin(async move { accounts::put_credential(connection, &credential).await })
        })
        .await
    }

    async fn remove_credential(
        &self,
        player: PlayerId,
        key: &CredentialKey,
    ) -> Result<bool, StoreError> {
        let key = key.clone();
        self.write(move |connection| {
            Box::pin(async move { accounts::remove_credential(connection, player, &key).await })
        })
        .await
    }

    async fn open_session(&self, session: NewSession) -> Result<(), StoreError> {
        keys::check_device(&session.device)?;
        self.write(move |connection| {
            Box::pin(async move { sessions::open(connection, &session).await })
        })
        .await
    }

    async fn rotate_refresh(
        &self,
        presented: TokenHash,
        next: TokenHash,
        now_ms: u64,
        grace: Duration,
    ) -> Result<Rotation, StoreError> {
        let trade = sessions::Trade { presented, next, now_ms, grace };
        self.write(move |connection| Box::pin(async move { trade.run(connection).await })).await
    }

    async fn session(&self, session: SessionId) -> Result<Option<Session>, StoreError> {
        let mut reader = self.reader().await?;
        self.database.read(sessions::read(&mut reader, session).await)
    }

    async fn sessions_of(&self, player: PlayerId) -> Result<Vec<Session>, StoreError> {
        let mut reader = self.reader().await?;
        self.database.read(sessions::open_of(&mut reader, player).await)
    }

    async fn end_session(
        &self,
        session: SessionId,
        end: SessionEnd,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| {
            Box::pin(async move { sessions::end(connection, session, end, now_ms).await })
        })
        .await
    }

    async fn end_sessions_of(
        &self,
        player: PlayerId,
        end: SessionEnd,
        now_ms: u64,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.write(move |connection| {
            Box::pin(async move { sessions::end_all(connection, player, end, now_ms).await })
        })
        .await
    }

    async fn purge_sessions(&self, before_ms: u64) -> Result<u64, StoreError> {
        self.write(move |connection| {
            Box::pin(async move { sessions::purge(connection, before_ms).await })
        })
        .await
    }

    async fn ban(&self, ban: Ban) -> Result<(), StoreError> {
        check_key(&ban.scope)?;
        keys::check_subject(&ban.subject)?;
        self.write(move |connection| Box::pin(async move { bans::write(connection, &ban).await }))
            .await
    }

    async fn lift_ban(&self, subject: &BanSubject, scope: &str) -> Result<bool, StoreError> {
        let (subject, scope) = (subject.clone(), scope.to_owned());
        self.write(move |connection| {
            Box::pin(async move { bans::lift(connection, &subject, &scope).await })
        })
        .await
    }

    async fn bans(&self, subjects: &[BanSubject], now_ms: u64) -> Result<Vec<Ban>, StoreError> {
        check_page(subjects.len())?;
        let mut reader = self.reader().await?;
        self.database.read(bans::read(&mut reader, subjects, now_ms).await)
    }

    async fn profile(&self, player: PlayerId) -> Result<Option<Profile>, StoreError> {
        let mut reader = self.reader().await?;
        self.database.read(profiles::read(&mut reader, player).await)
    }

    async fn put_profile(
        &self,
        player: PlayerId,
        expected: u64,
        document: Bytes,
    ) -> Result<u64, StoreError> {
        if document.len() > PROFILE_BYTES_MAX {
            let reason = format!("it has {} bytes, at most {PROFILE_BYTES_MAX}", document.len());
            return Err(StoreError::invalid("document", reason));
        }
        self.write(move |connection| {
            Box::pin(async move { profiles::write(connection, player, expected, &document).await })
        })
        .await
    }

    async fn ratings(&self, keys: &[RatingKey]) -> Result<Vec<Option<Rating>>, StoreError> {
        check_page(keys.len())?;
        let mut reader = self.database.read(self.database.readers.begin().await)?;
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.database.read(ratings::read(&mut reader, key).await)?);
        }
        Ok(found)
    }

    async fn record_result(
        &self,
        result: MatchResult,
        ratings: Vec<RatingUpdate>,
    ) -> Result<Recorded, StoreError> {
        check_page(result.players.len())?;
        check_page(ratings.len())?;
        check_key(&result.mode)?;
        self.write(move |connection| {
            Box::pin(async move { results::record(connection, &result, &ratings).await })
        })
        .await
    }

    async fn match_result(&self, id: MatchId) -> Result<Option<MatchResult>, StoreError> {
        let mut reader = self.database.read(self.database.readers.begin().await)?;
        self.database.read(results::read(&mut reader, id).await)
    }

    async fn history(
        &self,
        player: PlayerId,
        before: Option<HistoryCursor>,
        count: usize,
    ) -> Result<Vec<MatchResult>, StoreError> {
        check_page(count)?;
        let mut reader = self.database.read(self.database.readers.begin().await)?;
        self.database.read(results::history(&mut reader, player, before, count).await)
    }
}

fn check_page(count: usize) -> Result<(), StoreError> {
    if count > PAGE_MAX {
        let reason = format!("{count} at once, at most {PAGE_MAX} are allowed");
        return Err(StoreError::invalid("count", reason));
    }
    Ok(())
}
