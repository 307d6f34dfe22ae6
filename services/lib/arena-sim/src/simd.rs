//! The one place with `unsafe`: choosing a body compiled for the instructions this machine has.
#![allow(clippy::unused_self, reason = "having the proof at hand is the point")]
#![allow(
    unsafe_code,
    reason = "a function with target features may only be called where they exist"
)]

use crate::hash::{StateHash, hash_body};
use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::ruleset::Compiled;
use crate::systems::vector;

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
    ) -> TickOutput {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `self` exists only where `detect` found these features.
        return unsafe { step_avx2::<N>(slab, inputs, rules) };
        #[cfg(not(target_arch = "x86_64"))]
        vector::step::<N>(slab, inputs, rules)
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn step_avx2<const N: usize>(
    slab: &mut [u32],
    inputs: &SeatInputs,
    rules: &Compiled,
) -> TickOutput {
    vector::step::<N>(slab, inputs, rules)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn hash_avx2(words: &[u32]) -> StateHash {
    hash_body(words)
}
