use std::fmt;
use std::time::Duration;

use arena_store::TokenHash;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::AuthError;

/// A session that is not refreshed this long is over. Below the store's longest time to live.
pub const REFRESH_TTL: Duration = Duration::from_hours(30 * 24);
/// A token presented again this soon is a lost reply, not a thief (RFC 9700 §4.14 leaves it open;
/// the gateway's retries end after 5 s).
pub const REUSE_GRACE: Duration = Duration::from_secs(10);

/// An opaque token of 256 random bits; only its SHA-256 is stored. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken([u8; 32]);

impl RefreshToken {
    /// Wraps bits the caller drew.
    #[must_use]
    pub const fn from_bits(bits: [u8; 32]) -> Self {
        Self(bits)
    }

    /// Reads what a client presents: 43 characters of base64url.
    ///
    /// # Errors
    /// [`AuthError::SessionOver`]: a token that cannot be ours is as good as an old one.
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        if text.len() != 43 {
            return Err(AuthError::SessionOver);
        }
        let bits = URL_SAFE_NO_PAD.decode(text).map_err(|_| AuthError::SessionOver)?;
        bits.try_into().map(Self).map_err(|_| AuthError::SessionOver)
    }

    /// Returns what is given to the client.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Returns what is stored. No salt: 256 random bits cannot be guessed.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_only_whole() {
        let token = RefreshToken::from_bits([0xfb; 32]);
        let text = token.reveal();
        assert!(RefreshToken::parse(&text).is_ok_and(|it| it == token));
        for text in ["", &text[1..], &format!("{text}A"), &text.replace('-', "+"), &"é".repeat(21)]
        {
            assert!(RefreshToken::parse(text).is_err(), "{text}");
        }
        assert!(!format!("{token:?}").contains("fb"));
        assert_ne!(token.hash().0, [0xfb; 32]);
    }
}
