//! Who is hit at eight places, or at one.
use std::arch::x86_64::{
    __m256i, _mm256_abs_epi16, _mm256_abs_epi32, _mm256_add_epi32, _mm256_and_si256,
    _mm256_andnot_si256, _mm256_blendv_epi8, _mm256_castps_si256, _mm256_cmpgt_epi16,
    _mm256_cmpgt_epi32, _mm256_cvtepi32_ps, _mm256_max_epi16, _mm256_max_epi32, _mm256_min_epi32,
    _mm256_movemask_epi8, _mm256_mullo_epi32, _mm256_or_si256, _mm256_packs_epi16,
    _mm256_packs_epi32, _mm256_permutevar8x32_epi32, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_setr_epi32, _mm256_setzero_si256, _mm256_slli_epi32, _mm256_sllv_epi32,
    _mm256_srai_epi32, _mm256_srli_epi32, _mm256_sub_epi16, _mm256_sub_epi32,
};

use super::{cell_of, gather, load, signs_of, widen};
use crate::PLAYERS;
use crate::ruleset::Compiled;
use crate::slab::{Crowd, DRONES};
use crate::systems::strips::{STRIP_SHIFT, STRIPS, Strips};

/// Sixteen words in two registers.
pub(super) type Pair = [__m256i; 2];

/// Returns sixteen words.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn pair(words: &[u32; 16]) -> Pair {
    let words = words.as_chunks::<8>().0;
    [load(&words[0]), load(&words[1])]
}

/// Returns the word of each index, of which the lowest four bits count.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn pick(words: Pair, index: __m256i) -> __m256i {
    let low = _mm256_permutevar8x32_epi32(words[0], index);
    let high = _mm256_permutevar8x32_epi32(words[1], index);
    let upper = _mm256_srai_epi32::<31>(_mm256_slli_epi32::<28>(index));
    _mm256_blendv_epi8(low, high, upper)
}

/// Returns the number of the lowest bit that is set, if any of the lowest 24 is.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn lowest_bit(x: __m256i) -> __m256i {
    let own = _mm256_and_si256(x, _mm256_sub_epi32(_mm256_setzero_si256(), x));
    // A power of two as a float is its exponent.
    let float = _mm256_castps_si256(_mm256_cvtepi32_ps(own));
    _mm256_sub_epi32(_mm256_srli_epi32::<23>(float), _mm256_set1_epi32(127))
}

/// Returns the players in reach of places inside the arena or on its border.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn in_reach(strips: &Strips, x: __m256i, y: __m256i) -> __m256i {
    let last = _mm256_set1_epi32(STRIPS as i32 - 1);
    let row = _mm256_min_epi32(_mm256_srli_epi32::<{ STRIP_SHIFT as i32 }>(y), last);
    let column = _mm256_min_epi32(_mm256_srli_epi32::<{ STRIP_SHIFT as i32 }>(x), last);
    _mm256_and_si256(gather(&strips.rows, row), gather(&strips.columns, column))
}

/// Where all players are.
#[derive(Clone, Copy)]
pub(super) struct Players {
    pub(super) x: Pair,
    pub(super) y: Pair,
}

impl Players {
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn of(x: &[u32; PLAYERS], y: &[u32; PLAYERS]) -> Self {
        Self { x: pair(x), y: pair(y) }
    }

    /// Returns all ones where any of the players in `left` is hit at a place, and the first one's seat.
    ///
    /// Distances are rounded down, so it matters whether they are measured `FROM_PLAYER`.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn first_hit<const FROM_PLAYER: bool>(
        &self,
        x: __m256i,
        y: __m256i,
        mut left: __m256i,
        rules: &Compiled,
    ) -> (__m256i, __m256i) {
        let zero = _mm256_setzero_si256();
        let (mut struck, mut victims) = (zero, zero);
        let margin = _mm256_set1_epi32(rules.hit_margin);
        let reach = _mm256_set1_epi32(rules.hit_radius_squared);
        loop {
            let some = _mm256_cmpgt_epi32(left, zero);
            if signs_of(some) == 0 {
                return (struck, victims);
            }
            let seat = lowest_bit(left);
            let (player_x, player_y) = (pick(self.x, seat), pick(self.y, seat));
            let (dx, dy) = if FROM_PLAYER {
                (_mm256_sub_epi32(player_x, x), _mm256_sub_epi32(player_y, y))
            } else {
                (_mm256_sub_epi32(x, player_x), _mm256_sub_epi32(y, player_y))
            };
            let farthest = _mm256_max_epi32(_mm256_abs_epi32(dx), _mm256_abs_epi32(dy));
            let distance = _mm256_add_epi32(squared(dx), squared(dy));
            let misses = _mm256_or_si256(
                _mm256_cmpgt_epi32(farthest, margin),
                _mm256_cmpgt_epi32(distance, reach),
            );
            let hits = _mm256_andnot_si256(misses, some);
            struck = _mm256_or_si256(struck, hits);
            victims = _mm256_blendv_epi8(victims, seat, hits);
            let others = _mm256_and_si256(left, _mm256_sub_epi32(left, _mm256_set1_epi32(1)));
            left = _mm256_andnot_si256(hits, others);
        }
    }
}

/// Returns the square of a distance in the units of `rules::hit`.
#[target_feature(enable = "avx2")]
#[inline]
fn squared(distance: __m256i) -> __m256i {
    let distance = _mm256_srai_epi32::<4>(distance);
    _mm256_mullo_epi32(distance, distance)
}

/// Places shifted right by this fit signed halves of words.
const COARSE_SHIFT: i32 = 7;

/// Where all drones are, coarsely, sixteen a register; those that do not stand are far from everything.
pub(super) struct Herd {
    x: [__m256i; DRONES / 16],
    y: [__m256i; DRONES / 16],
    /// Cells that a drone reaches: bit `column` of each row.
    cells: Pair,
}

impl Herd {
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn of(crowd: &Crowd<'_>, strips: &Strips) -> Self {
        let zero = _mm256_setzero_si256();
        let (mut x, mut y) = ([zero; DRONES / 16], [zero; DRONES / 16]);
        for i in 0..DRONES / 16 {
            let coarse = |places: &[u32; DRONES]| {
                let eights = places.as_chunks::<8>().0;
                let low = _mm256_srai_epi32::<COARSE_SHIFT>(load(&eights[2 * i]));
                let high = _mm256_srai_epi32::<COARSE_SHIFT>(load(&eights[2 * i + 1]));
                _mm256_packs_epi32(low, high)
            };
            let status = crowd.status.as_chunks::<8>().0;
            let health = _mm256_set1_epi32(255);
            let low = _mm256_cmpgt_epi32(_mm256_and_si256(load(&status[2 * i]), health), zero);
            let high = _mm256_cmpgt_epi32(_mm256_and_si256(load(&status[2 * i + 1]), health), zero);
            let stands = _mm256_packs_epi32(low, high);
            let far = _mm256_set1_epi16(i16::MIN);
            x[i] = _mm256_blendv_epi8(far, coarse(crowd.x), stands);
            y[i] = coarse(crowd.y);
        }
        let rows = strips.drones.as_chunks::<8>().0;
        Self { x, y, cells: [widen(&rows[0]), widen(&rows[1])] }
    }

    /// Returns a sign where a place lies in a cell that a drone reaches.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn reach(&self, x: __m256i, y: __m256i) -> __m256i {
        let last = _mm256_set1_epi32(15);
        let row = pick(self.cells, _mm256_min_epi32(cell_of(y), last));
        let column = _mm256_min_epi32(cell_of(x), last);
        _mm256_sllv_epi32(row, _mm256_sub_epi32(_mm256_set1_epi32(31), column))
    }

    /// Returns the standing drones near a place: all that it may hit.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn near(&self, x: u32, y: u32, rules: &Compiled) -> u64 {
        let coarse = |place: u32| _mm256_set1_epi16((place >> COARSE_SHIFT) as i16);
        let (x, y) = (coarse(x), coarse(y));
        // One more, since both places were rounded.
        let margin = _mm256_set1_epi16((rules.hit_margin >> COARSE_SHIFT) as i16 + 1);
        let mut bits = 0;
        for i in 0..DRONES / 32 {
            let far = |i: usize| {
                let dx = _mm256_abs_epi16(_mm256_sub_epi16(x, self.x[i]));
                let dy = _mm256_abs_epi16(_mm256_sub_epi16(y, self.y[i]));
                _mm256_cmpgt_epi16(_mm256_max_epi16(dx, dy), margin)
            };
            // Packing mixes the eights: 0, 2, 4 and 6 in the lower half of each four.
            let far = _mm256_packs_epi16(far(2 * i), far(2 * i + 1));
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            let far = _mm256_permutevar8x32_epi32(far, order);
            bits |= u64::from(!_mm256_movemask_epi8(far) as u32) << (32 * i);
        }
        bits
    }
}
