//! One number for a whole state: two sums over its words, so that lanes may add in any order.
pub use arena_sdk::StateHash;

use crate::rules::hash::{mix, mix_again};

/// Hashes the words of a slab without its padding.
#[inline(always)]
pub(crate) fn hash_body(words: &[u32]) -> StateHash {
    let (mut low, mut high) = (0u32, 0u32);
    for (i, &word) in words.iter().enumerate() {
        let h = mix(word, i as u32);
        low = low.wrapping_add(h);
        high = high.wrapping_add(mix_again(h));
    }
    StateHash(u64::from(high) << 32 | u64::from(low))
}
