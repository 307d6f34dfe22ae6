//! What a player would miss: accounts, sessions, ratings, results. Times are Unix milliseconds and
//! come from the caller, who decides by them.

mod records;
mod results;

use std::time::Duration;

use arena_types::{MatchId, PlayerId, SessionId};
use async_trait::async_trait;
use bytes::Bytes;

use crate::StoreError;

pub use records::{
    Account, Ban, BanSubject, Credential, CredentialKey, NewSession, Profile, Rotation, Session,
    SessionEnd, TokenHash,
};
pub use results::{
    HistoryCursor, MatchResult, PlayerResult, Rating, RatingKey, RatingUpdate, Recorded,
};

/// Accounts, credentials, sessions, bans, profiles, ratings and match results.
///
/// # Errors
/// All methods: [`StoreError::Unavailable`], [`StoreError::Uncertain`] (writes),
/// [`StoreError::Invalid`] beyond [`limits`](crate::limits), [`StoreError::Full`],
/// [`StoreError::Corrupt`], [`StoreError::Denied`]; others where they are named.
#[async_trait]
pub trait PlayerStore: Send + Sync + 'static {
    /// Makes an account with its first credential.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the id or the credential is taken; nothing changed.
    async fn create_account(
        &self,
        account: Account,
        credential: Credential,
    ) -> Result<(), StoreError>;

    /// Reads an account.
    async fn account(&self, player: PlayerId) -> Result<Option<Account>, StoreError>;

    /// Changes a player's name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without the account.
    async fn rename(&self, player: PlayerId, name: &str) -> Result<(), StoreError>;

    /// Finds the credential a login presents.
    async fn credential(&self, key: &CredentialKey) -> Result<Option<Credential>, StoreError>;

    /// Adds a credential to an account, or replaces the secret of its own.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it belongs to another account, [`StoreError::NotFound`] without
    /// the account.
    async fn put_credential(&self, credential: Credential) -> Result<(), StoreError>;

    /// Removes a credential of `player`, and tells whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is the account's last.
    async fn remove_credential(
        &self,
        player: PlayerId,
        key: &CredentialKey,
    ) -> Result<bool, StoreError>;

    /// Opens a session with its first refresh token.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the id or the token is taken.
    async fn open_session(&self, session: NewSession) -> Result<(), StoreError>;

    /// Trades a refresh token for the next one, as one atomic step.
    ///
    /// A token is good once. Presented again within `grace` of its trade it counts as a lost
    /// reply, and `next` replaces what was given then; later it ends the whole session
    /// (RFC 9700 §4.14).
    async fn rotate_refresh(
        &self,
        presented: TokenHash,
        next: TokenHash,
        now_ms: u64,
        grace: Duration,
    ) -> Result<Rotation, StoreError>;

    /// Reads a session, ended or not.
    async fn session(&self, session: SessionId) -> Result<Option<Session>, StoreError>;

    /// Returns a player's sessions that have not ended, newest first, at most
    /// [`PAGE_MAX`](crate::limits::PAGE_MAX).
    async fn sessions_of(&self, player: PlayerId) -> Result<Vec<Session>, StoreError>;

    /// Ends a session, and tells whether it was open.
    async fn end_session(
        &self,
        session: SessionId,
        end: SessionEnd,
        now_ms: u64,
    ) -> Result<bool, StoreError>;

    /// Ends all of a player's sessions, and returns those that were open.
    async fn end_sessions_of(
        &self,
        player: PlayerId,
        end: SessionEnd,
        now_ms: u64,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// Forgets up to [`PAGE_MAX`](crate::limits::PAGE_MAX) sessions that expired before
    /// `before_ms`, and returns how many; call again while it is the limit.
    async fn purge_sessions(&self, before_ms: u64) -> Result<u64, StoreError>;

    /// Writes a ban; one with the same subject and scope is replaced.
    async fn ban(&self, ban: Ban) -> Result<(), StoreError>;

    /// Removes a ban, and tells whether it was there.
    async fn lift_ban(&self, subject: &BanSubject, scope: &str) -> Result<bool, StoreError>;

    /// Returns the bans on any of the subjects that hold at `now_ms`.
    async fn bans(&self, subjects: &[BanSubject], now_ms: u64) -> Result<Vec<Ban>, StoreError>;

    /// Reads a player's profile.
    async fn profile(&self, player: PlayerId) -> Result<Option<Profile>, StoreError>;

    /// Writes a profile over version `expected` (0: none yet), and returns its new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another version is there, [`StoreError::NotFound`] without the
    /// account.
    async fn put_profile(
        &self,
        player: PlayerId,
        expected: u64,
        document: Bytes,
    ) -> Result<u64, StoreError>;

    /// Reads ratings, in the order asked; `None` where a player has none in that mode.
    async fn ratings(&self, keys: &[RatingKey]) -> Result<Vec<Option<Rating>>, StoreError>;

    /// Writes a match's result, its players' history and their ratings, all or nothing, once.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a rating is not the version it was computed from: read again,
    /// compute again.
    async fn record_result(
        &self,
        result: MatchResult,
        ratings: Vec<RatingUpdate>,
    ) -> Result<Recorded, StoreError>;

    /// Reads a match's result.
    async fn match_result(&self, id: MatchId) -> Result<Option<MatchResult>, StoreError>;

    /// Returns up to `count` of a player's matches, newest first, older than `before`.
    async fn history(
        &self,
        player: PlayerId,
        before: Option<HistoryCursor>,
        count: usize,
    ) -> Result<Vec<MatchResult>, StoreError>;
}
