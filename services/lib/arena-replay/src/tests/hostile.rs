//! A short run of what `fuzz/` runs for hours: another one each time, `SEED=…` repeats one.
use std::hash::{BuildHasher as _, RandomState};

use crate::testing::hostile::TARGETS;

/// Mutants of each target; together a few seconds.
const MUTANTS: u32 = 400;

#[test]
fn hostile_bytes_are_refused_or_harmless() {
    let given = std::env::var("SEED").ok().map(|it| it.parse().expect("SEED is a number"));
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32);
    println!("SEED={seed}");
    for target in TARGETS {
        println!("{}", target.name);
        for seed in (target.seeds)() {
            (target.run)(&seed);
        }
        target.run_seeded(seed, MUTANTS);
    }
}
