//! The player store's types but for results.

use arena_store::{
    Account, Ban, BanSubject, Credential, CredentialKey, NewSession, Profile, Rotation, Session,
    SessionEnd, StoreError, TokenHash,
};
use arena_types::{PlayerId, SessionId};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::ban_subject::Kind as SubjectKind;
use arena_wire::store::v1::credential_key::Kind as KeyKind;
use arena_wire::store::v1::rotate_refresh_reply::Outcome;
use bytes::Bytes;

use super::{Wire, hash, required};

impl Wire for Account {
    type Message = pb::Account;

    fn into_wire(self) -> pb::Account {
        pb::Account { id: self.id.as_u64(), name: self.name, created_ms: self.created_ms }
    }

    fn from_wire(message: pb::Account) -> Result<Self, StoreError> {
        let id = PlayerId::from_u64(message.id);
        Ok(Self { id, name: message.name, created_ms: message.created_ms })
    }
}

impl Wire for CredentialKey {
    type Message = pb::CredentialKey;

    fn into_wire(self) -> pb::CredentialKey {
        let kind = match self {
            Self::Device(hash) => KeyKind::Device(Bytes::copy_from_slice(&hash)),
            Self::Email(address) => KeyKind::Email(address),
            Self::External { issuer, subject } => {
                KeyKind::External(pb::External { issuer, subject })
            }
        };
        pb::CredentialKey { kind: Some(kind) }
    }

    fn from_wire(message: pb::CredentialKey) -> Result<Self, StoreError> {
        Ok(match required(message.kind, "credential")? {
            KeyKind::Device(bytes) => Self::Device(hash(&bytes, "device")?),
            KeyKind::Email(address) => Self::Email(address),
            KeyKind::External(pb::External { issuer, subject }) => {
                Self::External { issuer, subject }
            }
        })
    }
}

impl Wire for Credential {
    type Message = pb::Credential;

    fn into_wire(self) -> pb::Credential {
        let key = Some(self.key.into_wire());
        pb::Credential { key, player: self.player.as_u64(), secret: self.secret }
    }

    fn from_wire(message: pb::Credential) -> Result<Self, StoreError> {
        let key = CredentialKey::from_wire(required(message.key, "key")?)?;
        Ok(Self { key, player: PlayerId::from_u64(message.player), secret: message.secret })
    }
}

impl Wire for TokenHash {
    type Message = Bytes;

    fn into_wire(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }

    fn from_wire(message: Bytes) -> Result<Self, StoreError> {
        hash(&message, "token").map(Self)
    }
}

impl Wire for NewSession {
    type Message = pb::OpenSessionRequest;

    fn into_wire(self) -> pb::OpenSessionRequest {
        pb::OpenSessionRequest {
            id: self.id.as_u64(),
            player: self.player.as_u64(),
            refresh: self.refresh.into_wire(),
            device: self.device,
            created_ms: self.created_ms,
            expires_ms: self.expires_ms,
        }
    }

    fn from_wire(message: pb::OpenSessionRequest) -> Result<Self, StoreError> {
        Ok(Self {
            id: SessionId::from_u64(message.id),
            player: PlayerId::from_u64(message.player),
            refresh: TokenHash::from_wire(message.refresh)?,
            device: message.device,
            created_ms: message.created_ms,
            expires_ms: message.expires_ms,
        })
    }
}

impl Wire for SessionEnd {
    type Message = i32;

    fn into_wire(self) -> i32 {
        let end = match self {
            Self::LoggedOut => pb::SessionEnd::LoggedOut,
            Self::Reused => pb::SessionEnd::Reused,
            Self::Revoked => pb::SessionEnd::Revoked,
        };
        end.into()
    }

    fn from_wire(message: i32) -> Result<Self, StoreError> {
        match pb::SessionEnd::try_from(message) {
            Ok(pb::SessionEnd::LoggedOut) => Ok(Self::LoggedOut),
            Ok(pb::SessionEnd::Reused) => Ok(Self::Reused),
            Ok(pb::SessionEnd::Revoked) => Ok(Self::Revoked),
            _ => Err(StoreError::invalid("end", format!("{message} is not known"))),
        }
    }
}

impl Wire for Session {
    type Message = pb::Session;

    fn into_wire(self) -> pb::Session {
        let (ended, ended_ms) = match self.ended {
            Some((end, at_ms)) => (end.into_wire(), at_ms),
            None => (pb::SessionEnd::Unspecified.into(), 0),
        };
        pb::Session {
            id: self.id.as_u64(),
            player: self.player.as_u64(),
            device: self.device,
            created_ms: self.created_ms,
            expires_ms: self.expires_ms,
            refreshed_ms: self.refreshed_ms,
            ended,
            ended_ms,
        }
    }

    fn from_wire(message: pb::Session) -> Result<Self, StoreError> {
        let is_open = message.ended == i32::from(pb::SessionEnd::Unspecified);
        let ended = if is_open {
            None
        } else {
            Some((SessionEnd::from_wire(message.ended)?, message.ended_ms))
        };
        Ok(Self {
            id: SessionId::from_u64(message.id),
            player: PlayerId::from_u64(message.player),
            device: message.device,
            created_ms: message.created_ms,
            expires_ms: message.expires_ms,
            refreshed_ms: message.refreshed_ms,
            ended,
        })
    }
}

impl Wire for Rotation {
    type Message = pb::RotateRefreshReply;

    fn into_wire(self) -> pb::RotateRefreshReply {
        let outcome = match self {
            Self::Rotated(session) => Outcome::Rotated(session.into_wire()),
            Self::Reused(session) => Outcome::Reused(session.into_wire()),
            Self::Ended(session) => Outcome::Ended(session.into_wire()),
            Self::Expired(session) => Outcome::Expired(session.into_wire()),
            Self::Unknown => Outcome::Unknown(pb::Done {}),
        };
        pb::RotateRefreshReply { outcome: Some(outcome) }
    }

    fn from_wire(message: pb::RotateRefreshReply) -> Result<Self, StoreError> {
        Ok(match required(message.outcome, "outcome")? {
            Outcome::Rotated(session) => Self::Rotated(Session::from_wire(session)?),
            Outcome::Reused(session) => Self::Reused(Session::from_wire(session)?),
            Outcome::Ended(session) => Self::Ended(Session::from_wire(session)?),
            Outcome::Expired(session) => Self::Expired(Session::from_wire(session)?),
            Outcome::Unknown(_) => Self::Unknown,
        })
    }
}

impl Wire for BanSubject {
    type Message = pb::BanSubject;

    fn into_wire(self) -> pb::BanSubject {
        let kind = match self {
            Self::Player(player) => SubjectKind::Player(player.as_u64()),
            Self::Device(hash) => SubjectKind::Device(Bytes::copy_from_slice(&hash)),
            Self::Address(address) => SubjectKind::Address(address),
        };
        pb::BanSubject { kind: Some(kind) }
    }

    fn from_wire(message: pb::BanSubject) -> Result<Self, StoreError> {
        Ok(match required(message.kind, "subject")? {
            SubjectKind::Player(player) => Self::Player(PlayerId::from_u64(player)),
            SubjectKind::Device(bytes) => Self::Device(hash(&bytes, "device")?),
            SubjectKind::Address(address) => Self::Address(address),
        })
    }
}

impl Wire for Ban {
    type Message = pb::Ban;

    fn into_wire(self) -> pb::Ban {
        pb::Ban {
            subject: Some(self.subject.into_wire()),
            scope: self.scope,
            reason: self.reason,
            by: self.by,
            created_ms: self.created_ms,
            until_ms: self.until_ms,
        }
    }

    fn from_wire(message: pb::Ban) -> Result<Self, StoreError> {
        Ok(Self {
            subject: BanSubject::from_wire(required(message.subject, "subject")?)?,
            scope: message.scope,
            reason: message.reason,
            by: message.by,
            created_ms: message.created_ms,
            until_ms: message.until_ms,
        })
    }
}

impl Wire for Profile {
    type Message = pb::Profile;

    fn into_wire(self) -> pb::Profile {
        let player = self.player.as_u64();
        pb::Profile { player, version: self.version, document: self.document }
    }

    fn from_wire(message: pb::Profile) -> Result<Self, StoreError> {
        let player = PlayerId::from_u64(message.player);
        Ok(Self { player, version: message.version, document: message.document })
    }
}
