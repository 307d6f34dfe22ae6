//! Names people type. Each is checked when it is parsed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name: it becomes a DNS label, a folder and part of a certificate.
const NAME_LEN_MAX: usize = 63;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}: {rule}")]
pub struct NameError {
    /// What was expected, for example `service name`.
    pub kind: &'static str,
    /// What was given.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

fn is_dns_label(text: &str) -> bool {
    (1..=NAME_LEN_MAX).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
        && text.starts_with(|it: char| it.is_ascii_lowercase())
        && !text.ends_with('-')
}

const DNS_RULE: &str =
    "1 to 63 of a-z, 0-9 and `-`, starting with a letter, not ending with `-` (RFC 1035 §2.3.1)";

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                if $check(&text) {
                    Ok(Self(text))
                } else {
                    Err(NameError { kind: $kind, text, rule: $rule })
                }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

name! {
    /// The trust domain: all instances that share one certificate authority.
    ClusterName, "cluster name", is_dns_label, DNS_RULE
}
name! {
    /// A service of `arena.yaml`.
    ServiceName, "service name", is_dns_label, DNS_RULE
}
name! {
    /// One running copy of a service, for example `game-r2-0`.
    InstanceId, "instance id", is_dns_label, DNS_RULE
}
name! {
    /// A cluster behind one orchestrator endpoint, for example `eu-fra` or `local`.
    Region, "region", is_dns_label, DNS_RULE
}
name! {
    /// What a player tells friends so that they queue together, for example `K7QF2M`.
    PartyCode, "party code", is_party_code, "6 of 0-9 and A-Z without I, L, O, U"
}

fn is_party_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|it| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&it))
}

/// The number of an immutable release, from 1; as text `r42`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseId(pub u32);

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("r{}", self.0))
    }
}

impl FromStr for ReleaseId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.strip_prefix('r')
            .filter(|digits| digits.bytes().all(|it| it.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .filter(|number| *number > 0)
            .map(Self)
            .ok_or_else(|| NameError {
                kind: "release",
                text: text.to_owned(),
                rule: "`r` and a number from 1, for example r42",
            })
    }
}

impl TryFrom<String> for ReleaseId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ReleaseId> for String {
    fn from(id: ReleaseId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        let long = "a".repeat(64);
        for (text, ok) in [
            ("game", true),
            ("eu-fra", true),
            ("game-r2-0", true),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("Game", false),
            ("2game", false),
            ("a_b", false),
            ("../etc", false),
            (long.as_str(), false),
        ] {
            assert_eq!(text.parse::<ServiceName>().is_ok(), ok, "{text}");
        }
    }

    #[test]
    fn releases_count_from_one() {
        assert_eq!("r42".parse(), Ok(ReleaseId(42)));
        assert_eq!(ReleaseId(42).to_string(), "r42");
        for text in ["r0", "42", "r", "r-1", "r+1", "r99999999999"] {
            assert!(text.parse::<ReleaseId>().is_err(), "{text}");
        }
    }

    #[test]
    fn party_codes_leave_out_what_looks_alike() {
        assert!("K7QF2M".parse::<PartyCode>().is_ok());
        for text in ["k7qf2m", "K7QF2", "K7QF2MM", "K7QF2I"] {
            assert!(text.parse::<PartyCode>().is_err(), "{text}");
        }
    }
}
