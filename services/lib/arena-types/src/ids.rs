//! Numeric ids. As text they are 13 characters of Crockford's base 32, lower case.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Crockford's alphabet: no `i`, `l`, `o`, `u` (<https://www.crockford.com/base32.html>).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of a 64-bit id in base 32.
const TEXT_LEN: usize = 13;

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind} id: 13 characters of 0-9 and a-z without i, l, o, u")]
pub struct ParseIdError {
    /// What was expected, for example `match`.
    pub kind: &'static str,
    /// What was given.
    pub text: String,
}

fn encode(id: u64) -> String {
    (0..TEXT_LEN).rev().map(|i| ALPHABET[(id >> (5 * i)) as usize & 31] as char).collect()
}

fn decode(text: &str) -> Option<u64> {
    if text.len() != TEXT_LEN {
        return None;
    }
    let mut id = 0_u64;
    for (index, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|it| *it == byte)? as u64;
        if index == 0 && digit > 15 {
            return None; // 13 × 5 bits are one more than 64
        }
        id = id << 5 | digit;
    }
    Some(id)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u64);

        impl $name {
            /// Wraps a number drawn at random by the caller.
            #[must_use]
            pub const fn from_u64(id: u64) -> Self {
                Self(id)
            }

            /// Returns the number.
            #[must_use]
            pub const fn as_u64(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                decode(text)
                    .map(Self)
                    .ok_or_else(|| ParseIdError { kind: $kind, text: text.to_owned() })
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;

            fn try_from(text: String) -> Result<Self, ParseIdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

id! {
    /// One game.
    MatchId, "match"
}
id! {
    /// A person's account.
    PlayerId, "player"
}
id! {
    /// A party waiting in the matchmaker.
    TicketId, "ticket"
}
id! {
    /// A player's connection; it survives a change of game instance and of gateway.
    SessionId, "session"
}

/// Counts the owners of a match, from 1; it never falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch of a match's first owner.
    pub const FIRST: Self = Self(1);

    /// Returns the epoch of the next owner, or `None` after 2³² − 1 owners.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A step of a match, from 0; 60 a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tick(pub u32);

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_as_written() {
        for id in [0, 1, 31, 32, u64::from(u32::MAX), 1 << 63, u64::MAX] {
            assert_eq!(
                MatchId::from_u64(id).to_string().parse(),
                Ok(MatchId::from_u64(id)),
                "{id}"
            );
        }
    }

    #[test]
    fn only_thirteen_digits_within_64_bits_are_an_id() {
        for text in ["", "0", "00000000000000", "z000000000000", "000000000000i", "000000000000A"] {
            assert!(text.parse::<PlayerId>().is_err(), "{text}");
        }
        assert_eq!("fzzzzzzzzzzzz".parse(), Ok(PlayerId::from_u64(u64::MAX)));
    }

    #[test]
    fn ids_are_strings_in_json() {
        let json = serde_json::to_string(&TicketId::from_u64(7)).unwrap();
        assert_eq!(json, "\"0000000000007\"");
        assert_eq!(serde_json::from_str::<TicketId>(&json).unwrap(), TicketId::from_u64(7));
        assert!(serde_json::from_str::<TicketId>("7").is_err());
    }
}
