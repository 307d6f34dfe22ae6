//! Snapshots whose words were changed, played on by every path of the processor.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (arena_replay::testing::hostile::TARGETS[2].run)(bytes));
