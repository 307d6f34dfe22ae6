//! Who a player is, and how they prove it.

use std::fmt;

use arena_types::{PlayerId, SessionId};
use bytes::Bytes;

/// A player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Names the player everywhere.
    pub id: PlayerId,
    /// Shown to others, 1 to 32 characters.
    pub name: String,
    /// When it was made.
    pub created_ms: u64,
}

/// What a login presents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialKey {
    /// A device's secret, as its SHA-256.
    Device([u8; 32]),
    /// An e-mail address, lower case.
    Email(String),
    /// A subject of an outside issuer, for example OIDC's `iss` and `sub`.
    External {
        /// The issuer.
        issuer: String,
        /// The subject.
        subject: String,
    },
}

/// A way to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What is presented.
    pub key: CredentialKey,
    /// Whose it is.
    pub player: PlayerId,
    /// What it is proven by: a PHC string (Argon2id) for an e-mail address, none else.
    pub secret: Option<String>,
}

/// The SHA-256 of a refresh token; the token itself is never stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// A session to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub player: PlayerId,
    /// Its first refresh token.
    pub refresh: TokenHash,
    /// Where it came from, for the player's list of sessions.
    pub device: String,
    /// When it was opened.
    pub created_ms: u64,
    /// When its refresh tokens end.
    pub expires_ms: u64,
}

/// A session, which is a family of refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub player: PlayerId,
    /// Where it came from.
    pub device: String,
    /// When it was opened.
    pub created_ms: u64,
    /// When its refresh tokens end.
    pub expires_ms: u64,
    /// When its refresh token was last traded.
    pub refreshed_ms: u64,
    /// Why it ended, and when.
    pub ended: Option<(SessionEnd, u64)>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The player logged out.
    LoggedOut,
    /// A refresh token was presented twice.
    Reused,
    /// An operator or a ban ended it.
    Revoked,
}

/// What became of a trade of refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The next token is good now.
    Rotated(Session),
    /// The token was traded before: the session is over, and was ended by this if it was not.
    Reused(Session),
    /// The session was over before.
    Ended(Session),
    /// The session has expired.
    Expired(Session),
    /// No session has had this token.
    Unknown,
}

/// Who or what is banned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BanSubject {
    /// A player.
    Player(PlayerId),
    /// A device's secret, as its SHA-256.
    Device([u8; 32]),
    /// A network address, as text.
    Address(String),
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who or what.
    pub subject: BanSubject,
    /// From what: `login`, `queue`, `chat`.
    pub scope: String,
    /// Why, for people.
    pub reason: String,
    /// Who set it.
    pub by: String,
    /// When it was set.
    pub created_ms: u64,
    /// When it ends; `None`: never.
    pub until_ms: Option<u64>,
}

/// A player's own document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Whose it is.
    pub player: PlayerId,
    /// Counts its writes, from 1.
    pub version: u64,
    /// JSON, at most [`PROFILE_BYTES_MAX`](crate::limits::PROFILE_BYTES_MAX).
    pub document: Bytes,
}
