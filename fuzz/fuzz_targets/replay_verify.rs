//! Replays whose parts were changed, with checksums that went along.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (arena_replay::testing::hostile::TARGETS[1].run)(bytes));
