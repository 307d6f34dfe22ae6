//! The one place with `unsafe`: choosing a body compiled for the instructions this machine has.
#![allow(clippy::unused_self, reason = "having the proof at hand is the point")]
#![allow(
    unsafe_code,
    reason = "a function with target features may only be called where they exist"
)]

#[cfg(target_arch = "x86_64")]
mod play;

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_prefetch, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_blendv_epi8, _mm256_castsi256_ps, _mm256_cmpgt_epi32, _mm256_loadu_si256,
    _mm256_movemask_ps, _mm256_mullo_epi32, _mm256_or_si256, _mm256_permutevar8x32_epi32,
    _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi32, _mm256_sllv_epi32,
    _mm256_srai_epi32, _mm256_srli_epi32, _mm256_storeu_si256, _mm256_sub_epi32,
};

use crate::hash::{StateHash, hash_body};
use crate::input::SeatInputs;
use crate::output::TickOutput;
#[cfg(target_arch = "x86_64")]
use crate::rules::space::{ARENA, CELL_SHIFT};
use crate::ruleset::Compiled;
use crate::slab::Columns;
use crate::systems::vector::{self, Line, Marks, Sight, Wide};

/// Proof that the machine has AVX2 and BMI: only [`Avx2::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the processor.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        found.then_some(Self(()))
    }

    /// No other architecture has it.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    /// Advances one slab by a tick.
    pub(crate) fn step<const N: usize>(
        self,
        slab: &mut [u32],
        inputs: &SeatInputs,
        rules: &Compiled,
        next: &[u32],
    ) -> TickOutput {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `self` exists only where `detect` found these features.
        return unsafe { step_avx2::<N>(slab, inputs, rules, next, self) };
        #[cfg(not(target_arch = "x86_64"))]
        vector::step::<N>(slab, inputs, rules, next, self)
    }

    /// Hashes a slab without its padding.
    pub(crate) fn hash(self, words: &[u32]) -> StateHash {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `self` exists only where `detect` found these features.
        return unsafe { hash_avx2(words) };
        #[cfg(not(target_arch = "x86_64"))]
        hash_body(words)
    }
}

impl Wide for Avx2 {
    #[inline(always)]
    fn fetch(self, line: &Line) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `self` exists only where `detect` found more than this needs.
        unsafe {
            fetch(line);
        };
        #[cfg(not(target_arch = "x86_64"))]
        vector::Portable.fetch(line);
    }

    #[inline(always)]
    fn play<const N: usize>(
        self,
        world: &mut Columns<'_, N>,
        playing: u32,
        inputs: &SeatInputs,
        rules: &Compiled,
    ) -> u32 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `self` exists only where `detect` found these features.
        return unsafe { play::play_avx2::<N>(world, playing, inputs, rules) };
        #[cfg(not(target_arch = "x86_64"))]
        vector::Portable.play(world, playing, inputs, rules)
    }

    #[inline(always)]
    fn scan<const N: usize, const CROWD: bool>(
        self,
        world: &Columns<'_, N>,
        sight: Sight<'_>,
        marks: &mut Marks,
    ) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `self` exists only where `detect` found these features.
        unsafe {
            scan_avx2::<N, CROWD>(world, sight, marks);
        };
        #[cfg(not(target_arch = "x86_64"))]
        vector::Portable.scan::<N, CROWD>(world, sight, marks);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn step_avx2<const N: usize>(
    slab: &mut [u32],
    inputs: &SeatInputs,
    rules: &Compiled,
    next: &[u32],
    proof: Avx2,
) -> TickOutput {
    vector::step::<N>(slab, inputs, rules, next, proof)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn hash_avx2(words: &[u32]) -> StateHash {
    hash_body(words)
}

/// Asks for a line to be brought into the cache.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse")]
#[inline]
fn fetch(line: &Line) {
    _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
}

/// Eight slots at a time; `vector::Portable` says the same in plain words.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[inline]
fn scan_avx2<const N: usize, const CROWD: bool>(
    world: &Columns<'_, N>,
    sight: Sight<'_>,
    marks: &mut Marks,
) {
    let (rows, columns) = (Table::of(&sight.lanes.rows), Table::of(&sight.lanes.columns));
    let drones = Table::of(&sight.lanes.drones);
    let constant = |x: i32| _mm256_set1_epi32(x);
    let tick = constant(sight.tick as i32);
    let oldest = constant(sight.lifetime_ticks as i32 - 1);
    let (low_half, fifteen, inside) = (constant(0xffff), constant(15), constant(ARENA - 1));
    let pattern = constant(sight.spared_pattern as i32);
    let choose = constant(sight.spared_choose as i32);
    let x = world.x.as_chunks::<8>().0;
    let y = world.y.as_chunks::<8>().0;
    let v = world.v.as_chunks::<8>().0;
    let life = world.life.as_chunks::<8>().0;
    let mut lines = sight.soon.iter();
    for i in 0..N / 8 {
        if let Some(line) = lines.next() {
            fetch(line);
        }
        let (v, life) = (load(&v[i]), load(&life[i]));
        let age = _mm256_and_si256(_mm256_sub_epi32(tick, life), low_half);
        // Velocities come shifted left by 4 already, as `place_at` wants them.
        let vx = _mm256_srai_epi32::<12>(_mm256_slli_epi32::<16>(v));
        let vy = _mm256_slli_epi32::<4>(_mm256_srai_epi32::<16>(v));
        let x = _mm256_add_epi32(load(&x[i]), _mm256_mullo_epi32(vx, age));
        let y = _mm256_add_epi32(load(&y[i]), _mm256_mullo_epi32(vy, age));
        // Outside of the arena these name no cell; such places turn, whatever is found there.
        let (column, row) = (cell_of(x), cell_of(y));
        let at_row = rows.look_up(row);
        let at_both = _mm256_and_si256(_mm256_and_si256(at_row, columns.look_up(column)), low_half);
        // `choose` is below 16: it takes the owner's bits and no others.
        let shooter = _mm256_and_si256(_mm256_srli_epi32::<16>(life), choose);
        let players = _mm256_andnot_si256(_mm256_sllv_epi32(pattern, shooter), at_both);
        // Signs: a wall's bit moved to the top, a place outside or on the far border (whose cell is
        // the last one: the closer look knows), an age past the last tick.
        let to_top = _mm256_sub_epi32(fifteen, column);
        let wall = _mm256_sllv_epi32(at_row, to_top);
        let beyond = _mm256_or_si256(_mm256_sub_epi32(inside, x), _mm256_sub_epi32(inside, y));
        let outside = _mm256_or_si256(beyond, _mm256_or_si256(x, y));
        let old = _mm256_sub_epi32(oldest, age);
        let mut near = _mm256_cmpgt_epi32(players, _mm256_setzero_si256());
        if CROWD {
            near = _mm256_or_si256(near, _mm256_sllv_epi32(drones.look_up(row), to_top));
        }
        let turning = _mm256_or_si256(_mm256_or_si256(wall, outside), old);
        marks.turning[i] = signs_of(_mm256_and_si256(turning, life));
        marks.near[i] = signs_of(_mm256_and_si256(near, life));
    }
}

/// Sixteen words in two registers.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Table {
    low: __m256i,
    high: __m256i,
}

#[cfg(target_arch = "x86_64")]
impl Table {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn of(words: &[u32; 16]) -> Self {
        let halves = words.as_chunks::<8>().0;
        Self { low: load(&halves[0]), high: load(&halves[1]) }
    }

    /// Returns the word of each index, 0 to 15.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn look_up(self, index: __m256i) -> __m256i {
        let low = _mm256_permutevar8x32_epi32(self.low, index);
        let high = _mm256_permutevar8x32_epi32(self.high, index);
        let upper = _mm256_cmpgt_epi32(index, _mm256_set1_epi32(7));
        _mm256_blendv_epi8(low, high, upper)
    }
}

/// Returns the row or column of each coordinate inside the arena.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn cell_of(x: __m256i) -> __m256i {
    _mm256_srai_epi32::<{ CELL_SHIFT as i32 }>(x)
}

/// Returns the top bit of each word.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn signs_of(x: __m256i) -> u8 {
    _mm256_movemask_ps(_mm256_castsi256_ps(x)) as u8
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn load(words: &[u32; 8]) -> __m256i {
    // SAFETY: eight words are readable at this address, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn store(words: &mut [u32; 8], x: __m256i) {
    // SAFETY: eight words are writable at this address, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), x) }
}
