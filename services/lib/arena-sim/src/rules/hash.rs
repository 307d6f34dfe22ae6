//! Hashes and random numbers, from a counter instead of a state: any player's n-th number of any
//! tick can be computed by itself. The only place where arithmetic wraps.
use super::prelude::{wadd, wmul};

/// Returns a permutation of `v` that looks random: PCG's RXS-M-XS for 32 bits (O'Neill 2014).
#[inline(always)]
pub fn pcg(v: u32) -> u32 {
    let s = wadd(wmul(v, 747796405), 2891336453);
    let w = wmul((s >> ((s >> 28) + 4)) ^ s, 277803737);
    return (w >> 22) ^ w;
}

/// Returns the `n`-th random number of `player` at `tick` of the match with `seed`.
#[inline(always)]
pub fn rng(seed: u32, tick: u32, player: u32, n: u32) -> u32 {
    return pcg(wadd(pcg(seed ^ wmul(tick, 2654435769)), wmul(player, 2246822507) ^ n));
}

/// Returns the first half of the hash of state word `word` at `index` (Wellons' lowbias32).
#[inline(always)]
pub fn mix(word: u32, index: u32) -> u32 {
    let mut h = word ^ wmul(index, 2654435769);
    h = wmul(h ^ (h >> 16), 2146121005);
    h = wmul(h ^ (h >> 15), 2221713035);
    return h ^ (h >> 16);
}

/// Returns the second half, from the first; both halves are summed over all words.
#[inline(always)]
pub fn mix_again(h: u32) -> u32 {
    return wmul(h ^ 0x5bd1e995, h | 1);
}
