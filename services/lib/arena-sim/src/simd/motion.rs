//! How eight bodies move: `movement` and `rules::movement` say the same in plain words, and every path must give
//! the same bits.
use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_abs_epi32, _mm256_add_epi32, _mm256_and_si256,
    _mm256_andnot_si256, _mm256_blendv_epi8, _mm256_cmpeq_epi32, _mm256_cmpgt_epi32,
    _mm256_cvtepi32_ps, _mm256_cvttps_epi32, _mm256_div_ps, _mm256_max_epi32, _mm256_min_epi32,
    _mm256_mullo_epi32, _mm256_or_si256, _mm256_permutevar8x32_epi32, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_sign_epi32, _mm256_slli_epi32, _mm256_sllv_epi32,
    _mm256_srai_epi32, _mm256_srl_epi32, _mm256_srli_epi32, _mm256_sub_epi32,
};

use super::{cell_of, load};
use crate::movement::Movement;
use crate::rules::movement::STICK_MAX;
use crate::rules::space::{ARENA, CELL_SHIFT};

/// Where eight bodies are and their packed velocities.
#[derive(Clone, Copy)]
pub(super) struct Motions {
    pub(super) x: __m256i,
    pub(super) y: __m256i,
    pub(super) v: __m256i,
}

impl Motions {
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn step(self, stick_x: __m256i, stick_y: __m256i, by: &Movement) -> Self {
        let least = _mm256_set1_epi32(-STICK_MAX);
        let (stick_x, stick_y) =
            (_mm256_max_epi32(stick_x, least), _mm256_max_epi32(stick_y, least));
        let (push_x, push_y) = steer(stick_x, stick_y);
        let vx = _mm256_srai_epi32::<16>(_mm256_slli_epi32::<16>(self.v));
        let vy = _mm256_srai_epi32::<16>(self.v);
        let (vx, vy) = (accelerate(vx, push_x, by), accelerate(vy, push_y, by));
        let (x, vx) = slide::<false>(self.x, vx, self.y, by);
        let (y, vy) = slide::<true>(self.y, vy, x, by);
        let low = _mm256_and_si256(vx, _mm256_set1_epi32(0xffff));
        Self { x, y, v: _mm256_or_si256(low, _mm256_slli_epi32::<16>(vy)) }
    }
}

/// Shortens both axes of the stick.
#[target_feature(enable = "avx2")]
#[inline]
fn steer(x: __m256i, y: __m256i) -> (__m256i, __m256i) {
    let (a, b) = (_mm256_abs_epi32(x), _mm256_abs_epi32(y));
    let three = _mm256_mullo_epi32(_mm256_min_epi32(a, b), _mm256_set1_epi32(3));
    let length = _mm256_add_epi32(_mm256_max_epi32(a, b), _mm256_srli_epi32::<3>(three));
    let full = _mm256_set1_epi32(STICK_MAX);
    let long = _mm256_cmpgt_epi32(length, full);
    // Exact: both sides are below 2^24, and a quotient that is no whole number differs from the next
    // one by 1/175 at least, far more than a float below 128 is off.
    let shorten = |axis: __m256i| {
        let wanted = _mm256_cvtepi32_ps(_mm256_mullo_epi32(axis, full));
        let quotient = _mm256_cvttps_epi32(_mm256_div_ps(wanted, _mm256_cvtepi32_ps(length)));
        _mm256_blendv_epi8(axis, quotient, long)
    };
    (shorten(x), shorten(y))
}

#[target_feature(enable = "avx2")]
#[inline]
fn accelerate(v: __m256i, stick: __m256i, by: &Movement) -> __m256i {
    let product = _mm256_mullo_epi32(stick, _mm256_set1_epi32(by.acceleration));
    // Towards zero, as a division: 127 more if it is negative.
    let rounding = _mm256_srli_epi32::<25>(_mm256_srai_epi32::<31>(product));
    let push = _mm256_srai_epi32::<7>(_mm256_add_epi32(product, rounding));
    let drag = _mm_cvtsi32_si128(by.drag_shift as i32);
    let lost = _mm256_srl_epi32(_mm256_abs_epi32(v), drag);
    let next = _mm256_add_epi32(_mm256_sub_epi32(v, _mm256_sign_epi32(lost, v)), push);
    let idle = _mm256_cmpeq_epi32(_mm256_or_si256(push, lost), _mm256_setzero_si256());
    let max = _mm256_set1_epi32(by.speed_max);
    let min = _mm256_set1_epi32(-by.speed_max);
    _mm256_andnot_si256(idle, clamp(next, min, max))
}

/// Moves one axis; `VERTICAL` says that it is y, and `side` is the place on the other one.
#[target_feature(enable = "avx2")]
#[inline]
fn slide<const VERTICAL: bool>(
    from: __m256i,
    v: __m256i,
    side: __m256i,
    by: &Movement,
) -> (__m256i, __m256i) {
    const CELL: i32 = 1 << CELL_SHIFT;
    let radius = _mm256_set1_epi32(by.radius);
    let confine = |p: __m256i| clamp(p, radius, _mm256_set1_epi32(ARENA - by.radius - 1));
    let forward = _mm256_cmpgt_epi32(v, _mm256_setzero_si256());
    let wanted = _mm256_add_epi32(from, _mm256_slli_epi32::<4>(v));
    let to = confine(wanted);
    let (ahead, behind) = (_mm256_add_epi32(to, radius), _mm256_sub_epi32(to, radius));
    let edge = _mm256_blendv_epi8(behind, ahead, forward);
    let wall = |side: __m256i| {
        if VERTICAL { wall_at(side, edge, &by.walls) } else { wall_at(edge, side, &by.walls) }
    };
    let blocked =
        _mm256_or_si256(wall(_mm256_sub_epi32(side, radius)), wall(_mm256_add_epi32(side, radius)));
    let near = _mm256_and_si256(edge, _mm256_set1_epi32(-CELL));
    let before = _mm256_sub_epi32(near, _mm256_set1_epi32(by.radius + 1));
    let after = _mm256_add_epi32(near, _mm256_set1_epi32(CELL + by.radius));
    let contact = confine(_mm256_blendv_epi8(after, before, forward));
    let to = _mm256_blendv_epi8(to, contact, blocked);
    (to, _mm256_and_si256(v, _mm256_cmpeq_epi32(to, wanted)))
}

/// Returns all ones where a place lies in a wall.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn wall_at(x: __m256i, y: __m256i, walls: &[u32; 8]) -> __m256i {
    let (low, high) = (_mm256_setzero_si256(), _mm256_set1_epi32(15));
    let (column, row) = (clamp(cell_of(x), low, high), clamp(cell_of(y), low, high));
    // A word holds two rows.
    let words = _mm256_permutevar8x32_epi32(load(walls), _mm256_srli_epi32::<1>(row));
    let bit = _mm256_or_si256(column, _mm256_slli_epi32::<4>(row));
    let bit = _mm256_and_si256(bit, _mm256_set1_epi32(31));
    let top = _mm256_sllv_epi32(words, _mm256_sub_epi32(_mm256_set1_epi32(31), bit));
    _mm256_srai_epi32::<31>(top)
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn clamp(x: __m256i, low: __m256i, high: __m256i) -> __m256i {
    _mm256_min_epi32(_mm256_max_epi32(x, low), high)
}
