//! Names of the configs and secrets that a swarm keeps for us.

use std::fmt;

use arena_types::{ClusterName, InstanceId};

use crate::Digest;

/// Longest name of a config or secret in a swarm (swarmkit `controlapi/common.go`).
const OBJECT_NAME_LEN_MAX: usize = 64;
/// Digits of the hash behind a name that had to be cut.
const CUT_HASH_LEN: usize = 20;

/// Names a config or secret by its content: `arena_motd_3f2a91c07be4`. A new content is a new name, since
/// what a swarm keeps under a name never changes.
#[must_use]
pub fn object_name(cluster: &ClusterName, name: &str, content: Digest) -> String {
    fitting(format!("{cluster}_{name}_{}", content.short()))
}

/// One file of an instance's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentityPart {
    /// Its certificate.
    Cert,
    /// The certificate's key.
    Key,
}

impl fmt::Display for IdentityPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cert => "cert",
            Self::Key => "key",
        })
    }
}

/// Names the secret that holds one file of an instance's identity: `arena_identity_game-r1-1_cert`.
#[must_use]
pub fn identity_name(cluster: &ClusterName, instance: &InstanceId, part: IdentityPart) -> String {
    fitting(format!("{cluster}_identity_{instance}_{part}"))
}

/// Names the secret that holds the certificates that all instances of a cluster trust: `arena_roots`.
#[must_use]
pub fn roots_name(cluster: &ClusterName) -> String {
    fitting(format!("{cluster}_roots"))
}

/// Cuts a name that is too long, and puts the hash of all of it behind: what differed still differs.
fn fitting(name: String) -> String {
    if name.len() <= OBJECT_NAME_LEN_MAX {
        return name;
    }
    let hash = Digest::of(name.as_bytes()).to_string();
    let kept = OBJECT_NAME_LEN_MAX - 1 - CUT_HASH_LEN;
    format!("{}_{}", &name[..kept], &hash[..CUT_HASH_LEN])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_say_what_they_hold() {
        let cluster = "arena".parse().unwrap();
        let motd = object_name(&cluster, "motd", Digest::of(b"hello"));
        assert_eq!(motd, "arena_motd_2cf24dba5fb0");
        let instance = "game-r1-1".parse().unwrap();
        let key = identity_name(&cluster, &instance, IdentityPart::Key);
        assert_eq!(key, "arena_identity_game-r1-1_key");
        assert_eq!(roots_name(&cluster), "arena_roots");
    }

    proptest! {
        /// swarmkit takes 1 to 64 letters, digits, `-`, `_` and `.`, a letter or digit at both ends.
        #[test]
        fn any_name_fits_and_differs_by_content(
            cluster in "[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
            name in "[a-z][a-z0-9_]{0,47}",
        ) {
            let cluster = cluster.parse().unwrap();
            let [one, other] =
                ["a", "b"].map(|it| object_name(&cluster, &name, Digest::of(it.as_bytes())));
            prop_assert_ne!(&one, &other);
            prop_assert!((1..=64).contains(&one.len()));
            prop_assert!(one.ends_with(|it: char| it.is_ascii_alphanumeric()));
        }
    }
}
