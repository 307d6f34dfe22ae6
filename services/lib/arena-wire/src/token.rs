//! Signed claims: who may take which seat, and who may resume which session.
//!
//! A token is its claims in a fixed layout followed by their HMAC-SHA256 (RFC 2104) under a
//! cluster secret. The purpose is part of what is signed, so a token of one kind is never taken
//! for the other, even if both keys were equal.

use std::fmt::Write as _;

use arena_types::{MatchId, PlayerId, SessionId};
use ring::hmac;

use crate::bits::{BitReader, BitWriter, DecodeError};

/// Bytes of a secret.
pub const KEY_LEN: usize = 32;
/// Bytes of a tag: the full output of SHA-256.
const TAG_LEN: usize = 32;
/// Longest token of either kind.
pub const TOKEN_LEN_MAX: usize = 128;
/// The layout version that both kinds start with.
const VERSION: u8 = 1;
const ROUTE_PURPOSE: &[u8] = b"arena route token\0";
const RESUME_PURPOSE: &[u8] = b"arena resume token\0";

/// Why a token was refused. What is told to a peer is only that it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The bytes are no token.
    #[error("the token cannot be read")]
    Malformed(#[from] DecodeError),
    /// Another key signed it, or it was changed.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// Its time is over.
    #[error("the token expired {ago_ms} ms ago")]
    Expired {
        /// Milliseconds since then.
        ago_ms: u64,
    },
}

/// Why a text is not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is {} hexadecimal digits: make one with `openssl rand -hex {KEY_LEN}`", KEY_LEN * 2)]
pub struct KeyError;

/// A secret of the cluster: `route_key` or `resume_key`.
#[derive(Clone)]
pub struct TokenKey(hmac::Key);

impl TokenKey {
    /// Takes the secret itself.
    #[must_use]
    pub fn new(secret: &[u8; KEY_LEN]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Reads a secret file: hexadecimal, with or without a line end.
    ///
    /// # Errors
    /// [`KeyError`] if it is not exactly 32 bytes in hexadecimal; the text is not repeated.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        Ok(Self::new(&unhex(text.trim_end()).and_then(|it| it.try_into().ok()).ok_or(KeyError)?))
    }

    fn sign(&self, purpose: &[u8], claims: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose);
        context.update(claims);
        [claims, context.sign().as_ref()].concat()
    }

    /// Returns the claims if the tag is right; compares in constant time.
    fn open<'a>(&self, purpose: &[u8], token: &'a [u8]) -> Result<&'a [u8], TokenError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(too_long(token.len()));
        }
        let split =
            token.len().checked_sub(TAG_LEN).ok_or(DecodeError::Truncated { field: "tag" })?;
        let (claims, tag) = token.split_at(split);
        hmac::verify(&self.0, &[purpose, claims].concat(), tag)
            .map_err(|_| TokenError::BadSignature)?;
        Ok(claims)
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

fn too_long(len: usize) -> TokenError {
    DecodeError::TooLong { field: "token", len, max: TOKEN_LEN_MAX }.into()
}

/// The right of a player to a seat: signed by the matchmaker, verified by the game.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteClaims {
    /// The match.
    pub match_id: MatchId,
    /// The player.
    pub player: PlayerId,
    /// The player's index in the match.
    pub seat: u8,
    /// Unix time in milliseconds after which it is refused; it outlives the longest match.
    pub expires_ms: u64,
}

impl RouteClaims {
    /// Returns the token.
    #[must_use]
    pub fn sign(&self, key: &TokenKey) -> Vec<u8> {
        let mut out = BitWriter::default();
        out.bits(u32::from(VERSION), 8);
        out.u64(self.match_id.as_u64());
        out.u64(self.player.as_u64());
        out.bits(u32::from(self.seat), 8);
        out.u64(self.expires_ms);
        key.sign(ROUTE_PURPOSE, &out.finish())
    }

    /// Returns the claims of `token` if `key` signed it and its time is not over at `now_ms`.
    ///
    /// # Errors
    /// [`TokenError`]; the signature is checked before anything else is believed.
    pub fn verify(token: &[u8], key: &TokenKey, now_ms: u64) -> Result<Self, TokenError> {
        let mut reader = BitReader::new(key.open(ROUTE_PURPOSE, token)?);
        check_version(&mut reader)?;
        let claims = Self {
            match_id: MatchId::from_u64(reader.u64("match")?),
            player: PlayerId::from_u64(reader.u64("player")?),
            seat: reader.u8("seat")?,
            expires_ms: reader.u64("expires_ms")?,
        };
        reader.finish()?;
        check_time(claims.expires_ms, now_ms)?;
        Ok(claims)
    }
}

/// The right to go on with a session: signed and verified by gateways, carried by the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeClaims {
    /// The session.
    pub session: SessionId,
    /// The player.
    pub player: PlayerId,
    /// The match the session is in, if any.
    pub match_id: Option<MatchId>,
    /// Unix time in milliseconds after which it is refused.
    pub expires_ms: u64,
}

impl ResumeClaims {
    /// Returns the token as hexadecimal text.
    #[must_use]
    pub fn sign(&self, key: &TokenKey) -> String {
        let mut out = BitWriter::default();
        out.bits(u32::from(VERSION), 8);
        out.u64(self.session.as_u64());
        out.u64(self.player.as_u64());
        out.bits(u32::from(self.match_id.is_some()), 8);
        out.u64(self.match_id.map_or(0, MatchId::as_u64));
        out.u64(self.expires_ms);
        hex(&key.sign(RESUME_PURPOSE, &out.finish()))
    }

    /// Returns the claims of `token` if `key` signed it and its time is not over at `now_ms`.
    ///
    /// # Errors
    /// [`TokenError`]; the signature is checked before anything else is believed.
    pub fn verify(token: &str, key: &TokenKey, now_ms: u64) -> Result<Self, TokenError> {
        if token.len() > 2 * TOKEN_LEN_MAX {
            return Err(too_long(token.len() / 2));
        }
        let token = unhex(token).ok_or(DecodeError::BadText { field: "token" })?;
        let mut reader = BitReader::new(key.open(RESUME_PURPOSE, &token)?);
        check_version(&mut reader)?;
        let session = SessionId::from_u64(reader.u64("session")?);
        let player = PlayerId::from_u64(reader.u64("player")?);
        let in_match = reader.u8("in_match")? == 1;
        let match_id = MatchId::from_u64(reader.u64("match")?);
        let expires_ms = reader.u64("expires_ms")?;
        reader.finish()?;
        check_time(expires_ms, now_ms)?;
        Ok(Self { session, player, match_id: in_match.then_some(match_id), expires_ms })
    }
}

fn check_version(reader: &mut BitReader<'_>) -> Result<(), DecodeError> {
    match reader.u8("version")? {
        VERSION => Ok(()),
        other => Err(DecodeError::BadValue { field: "version", found: other.to_string() }),
    }
}

fn check_time(expires_ms: u64, now_ms: u64) -> Result<(), TokenError> {
    if now_ms < expires_ms {
        Ok(())
    } else {
        Err(TokenError::Expired { ago_ms: now_ms - expires_ms })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|it| it.to_digit(16).map(|it| it as u8)).collect::<Option<_>>()?;
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks_exact(2).map(|it| it[0] << 4 | it[1]).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> TokenKey {
        TokenKey::new(&[byte; KEY_LEN])
    }

    fn route() -> RouteClaims {
        RouteClaims {
            match_id: MatchId::from_u64(1),
            player: PlayerId::from_u64(2),
            seat: 3,
            expires_ms: 1_000,
        }
    }

    fn resume() -> ResumeClaims {
        ResumeClaims {
            session: SessionId::from_u64(1),
            player: PlayerId::from_u64(2),
            match_id: Some(MatchId::from_u64(3)),
            expires_ms: 1_000,
        }
    }

    #[test]
    fn a_route_token_reads_back_until_it_expires() {
        let token = route().sign(&key(1));
        assert_eq!(RouteClaims::verify(&token, &key(1), 999), Ok(route()));
        assert_eq!(
            RouteClaims::verify(&token, &key(1), 1_005),
            Err(TokenError::Expired { ago_ms: 5 })
        );
        assert_eq!(RouteClaims::verify(&token, &key(2), 0), Err(TokenError::BadSignature));
    }

    #[test]
    fn a_resume_token_reads_back_with_and_without_a_match() {
        for match_id in [None, Some(MatchId::from_u64(0))] {
            let claims = ResumeClaims { match_id, ..resume() };
            assert_eq!(ResumeClaims::verify(&claims.sign(&key(1)), &key(1), 0), Ok(claims));
        }
    }

    #[test]
    fn a_token_of_one_kind_is_not_one_of_the_other() {
        let token = hex(&route().sign(&key(1)));
        assert_eq!(ResumeClaims::verify(&token, &key(1), 0), Err(TokenError::BadSignature));
        let token = unhex(&resume().sign(&key(1))).unwrap();
        assert_eq!(RouteClaims::verify(&token, &key(1), 0), Err(TokenError::BadSignature));
    }

    #[test]
    fn a_secret_is_64_digits() {
        assert!(TokenKey::from_hex(&format!("{}\n", "ab".repeat(KEY_LEN))).is_ok());
        for text in ["", "ab", &"ab".repeat(33), &"xy".repeat(32), &"é".repeat(32)] {
            assert_eq!(TokenKey::from_hex(text).err(), Some(KeyError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_token_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let mut token = route().sign(&key(1));
            let index = at.index(token.len());
            token[index] ^= 1 << bit;
            prop_assert_eq!(RouteClaims::verify(&token, &key(1), 0), Err(TokenError::BadSignature));
        }

        #[test]
        fn arbitrary_tokens_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,300}") {
            prop_assert!(RouteClaims::verify(&bytes, &key(1), 0).is_err());
            prop_assert!(ResumeClaims::verify(&text, &key(1), 0).is_err());
        }
    }
}
