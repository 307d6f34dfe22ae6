//! Who is in a percentage rollout, decided alike by every service and every client.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::PlayerId;

/// Buckets players fall into: a thousandth of a percent each.
pub const BUCKETS: u32 = 100_000;

/// A share of players, 0 to [`BUCKETS`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u32", into = "u32")]
pub struct Share(u32);

/// A share above everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("share {0} is above {BUCKETS}, which is everybody")]
pub struct ShareError(pub u32);

impl Share {
    /// Nobody.
    pub const NOBODY: Self = Self(0);
    /// Everybody.
    pub const EVERYBODY: Self = Self(BUCKETS);

    /// Tells whether `player` is within this share of the players of `flag`.
    ///
    /// Raising the share only adds players; the same player falls differently for each flag.
    #[must_use]
    pub fn includes(self, flag: &str, player: PlayerId) -> bool {
        bucket(flag, player) < self.0
    }
}

impl TryFrom<u32> for Share {
    type Error = ShareError;

    fn try_from(share: u32) -> Result<Self, ShareError> {
        if share <= BUCKETS { Ok(Self(share)) } else { Err(ShareError(share)) }
    }
}

impl From<Share> for u32 {
    fn from(share: Share) -> Self {
        share.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} %", self.0 / 1000, self.0 % 1000)
    }
}

/// Returns the bucket of `player` for `flag`, 0 to [`BUCKETS`] − 1.
///
/// FNV-1a, 64 bit, over the bytes of `flag`, a zero byte and the id in little-endian order
/// (<http://www.isthe.com/chongo/tech/comp/fnv/>), then the finaliser of `MurmurHash3` (Appleby),
/// since FNV's high bits alone are not even; modulo [`BUCKETS`]. Part of the public contract: the
/// vectors below never change.
#[must_use]
pub fn bucket(flag: &str, player: PlayerId) -> u32 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let id = player.as_u64().to_le_bytes();
    let bytes = flag.bytes().chain([0]).chain(id);
    let mut hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    ((hash ^ (hash >> 33)) % u64::from(BUCKETS)) as u32
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect;

    use super::*;

    #[test]
    fn vectors_for_other_languages() {
        let mut text = String::new();
        for flag in ["", "dash", "new-hud", "größe"] {
            for id in [0, 1, 42, u64::MAX] {
                let player = PlayerId::from_u64(id);
                writeln!(text, "{flag:?} {player} {}", bucket(flag, player)).unwrap();
            }
        }
        expect![[r#"
            "" 0000000000000 67445
            "" 0000000000001 11882
            "" 000000000001a 68382
            "" fzzzzzzzzzzzz 2029
            "dash" 0000000000000 9861
            "dash" 0000000000001 99355
            "dash" 000000000001a 38022
            "dash" fzzzzzzzzzzzz 50757
            "new-hud" 0000000000000 83202
            "new-hud" 0000000000001 21332
            "new-hud" 000000000001a 62722
            "new-hud" fzzzzzzzzzzzz 87120
            "größe" 0000000000000 45101
            "größe" 0000000000001 19427
            "größe" 000000000001a 25998
            "größe" fzzzzzzzzzzzz 54904
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn raising_a_share_only_adds_players() {
        let players = (0..2_000).map(PlayerId::from_u64);
        for player in players {
            let joined_at = (0..=BUCKETS)
                .step_by(500)
                .find(|it| Share(*it).includes("dash", player))
                .expect("everybody is everybody");
            for share in (joined_at..=BUCKETS).step_by(500) {
                assert!(Share(share).includes("dash", player), "{player} at {share}");
            }
            assert!(!Share::NOBODY.includes("dash", player));
        }
    }

    #[test]
    fn players_fall_evenly_and_differently_for_each_flag() {
        let share = Share(10_000);
        let inside = |flag: &str, id| share.includes(flag, PlayerId::from_u64(id));
        let (mut first, mut both) = (0, 0);
        for id in 0..100_000 {
            first += u32::from(inside("dash", id));
            both += u32::from(inside("dash", id) && inside("hud", id));
        }
        // Binomial: 10 000 ± 95 and 1 000 ± 31; five standard deviations.
        assert!((9_525..=10_475).contains(&first), "{first}");
        assert!((845..=1_155).contains(&both), "{both}");
    }

    #[test]
    fn a_share_is_at_most_everybody() {
        assert_eq!(Share::try_from(BUCKETS + 1), Err(ShareError(BUCKETS + 1)));
        assert_eq!(Share::try_from(12_345).unwrap().to_string(), "12.345 %");
    }
}
