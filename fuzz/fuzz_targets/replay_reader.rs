//! Any bytes as a replay.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (arena_replay::testing::hostile::TARGETS[0].run)(bytes));
