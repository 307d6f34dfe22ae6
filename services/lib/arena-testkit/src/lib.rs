//! Harness for tests: fake clock, seeds, processes.
