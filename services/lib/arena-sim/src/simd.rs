//! The one place with `unsafe`: choosing a body compiled for the instructions this machine has.
#![allow(clippy::unused_self, reason = "having the proof at hand is the point")]
#![allow(
    unsafe_code,
    reason = "a function with target features may only be called where they exist"
)]

#[cfg(target_arch = "x86_64")]
mod crowd;
#[cfg(target_arch = "x86_64")]
mod look;
#[cfg(target_arch = "x86_64")]
mod motion;
#[cfg(target_arch = "x86_64")]
mod play;
#[cfg(target_arch = "x86_64")]
mod scan;
#[cfg(target_arch = "x86_64")]
mod targets;

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_and_si256, _mm256_castsi256_ps,
    _mm256_cvtepu16_epi32, _mm256_i32gather_epi32, _mm256_loadu_si256, _mm256_min_epu32,
    _mm256_movemask_ps, _mm256_set1_epi32, _mm256_srai_epi32, _mm256_storeu_si256,
};

use crate::hash::{StateHash, hash_body};
use crate::input::SeatInputs;
use crate::output::TickOutput;
#[cfg(target_arch = "x86_64")]
use crate::rules::space::CELL_SHIFT;
use crate::ruleset::Compiled;
use crate::slab::Columns;
use crate::systems::Impacts;
use crate::systems::crowd::Field;
use crate::systems::strips::Strips;
use crate::systems::vector::{self, Line, Marks, Met, Sight, Wide};

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
    fn walk<const N: usize>(
        self,
        world: &mut Columns<'_, N>,
        alive: u32,
        strips: &Strips,
        field: &Field,
        rules: &Compiled,
        impacts: &mut Impacts,
    ) -> u64 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `self` exists only where `detect` found these features.
        return unsafe { crowd::walk_avx2::<N>(world, alive, strips, field, rules, impacts) };
        #[cfg(not(target_arch = "x86_64"))]
        vector::Portable.walk(world, alive, strips, field, rules, impacts)
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
            scan::scan_avx2::<N, CROWD>(world, sight, marks);
        };
        #[cfg(not(target_arch = "x86_64"))]
        vector::Portable.scan::<N, CROWD>(world, sight, marks);
    }

    #[inline(always)]
    fn look<const N: usize>(
        self,
        world: &mut Columns<'_, N>,
        met: Met<'_, N>,
        rules: &Compiled,
        impacts: &mut Impacts,
    ) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `self` exists only where `detect` found these features.
        unsafe {
            look::look_avx2::<N>(world, met, rules, impacts);
        };
        #[cfg(not(target_arch = "x86_64"))]
        vector::Portable.look::<N>(world, met, rules, impacts);
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn load_halves(halves: &[u16; 16]) -> __m256i {
    // SAFETY: sixteen halves of words are readable at this address, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(halves.as_ptr().cast()) }
}

/// Returns eight halves as words.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn widen(halves: &[u16; 8]) -> __m256i {
    // SAFETY: eight halves of words are readable at this address, and the load needs no alignment.
    let halves = unsafe { _mm_loadu_si128(halves.as_ptr().cast()) };
    _mm256_cvtepu16_epi32(halves)
}

/// Returns the word of each index, modulo `N`, a power of two.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn gather<const N: usize>(words: &[u32; N], index: __m256i) -> __m256i {
    const { assert!(N.is_power_of_two() && N <= 1 << 16) };
    let index = _mm256_and_si256(index, _mm256_set1_epi32(N as i32 - 1));
    // SAFETY: every index lies in the array, and the words need no alignment.
    unsafe { _mm256_i32gather_epi32::<4>(words.as_ptr().cast(), index) }
}

/// Returns the four bytes from each index on, or from the last place that has four.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn gather_bytes<const N: usize>(bytes: &[u8; N], index: __m256i) -> __m256i {
    const { assert!(N >= 4 && N <= 1 << 16) };
    let index = _mm256_min_epu32(index, _mm256_set1_epi32(N as i32 - 4));
    // SAFETY: four bytes from every index on lie in the array, and they need no alignment.
    unsafe { _mm256_i32gather_epi32::<1>(bytes.as_ptr().cast(), index) }
}

/// Returns a register as words.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn words_of(register: __m256i) -> [u32; 8] {
    let mut words = [0; 8];
    store(&mut words, register);
    words
}

/// Acts for each lane whose sign is set.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[inline]
fn each_lane(mask: __m256i, mut act: impl FnMut(usize)) {
    let mut left = signs_of(mask);
    while left != 0 {
        act(left.trailing_zeros() as usize % 8);
        left &= left - 1;
    }
}
