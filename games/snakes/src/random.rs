//! Random numbers that depend on nothing but where they are drawn: no state to save, no order to keep.

/// Draws a number; `what` tells apart what is drawn at one tick.
pub(crate) fn draw(seed: u32, tick: u32, what: u32) -> u32 {
    mix(mix(mix(seed) ^ tick) ^ what)
}

/// Spreads a word over all its bits: the finaliser of `MurmurHash3` (Appleby).
pub(crate) const fn mix(word: u32) -> u32 {
    let word = (word ^ word >> 16).wrapping_mul(0x85eb_ca6b);
    let word = (word ^ word >> 13).wrapping_mul(0xc2b2_ae35);
    word ^ word >> 16
}
