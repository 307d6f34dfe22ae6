//! Entry point of the service `stats`.

use std::process::ExitCode;

use arena_stats::{PROGRAM, StatsSettings, serve};

fn main() -> ExitCode {
    arena_instance::main(PROGRAM, StatsSettings::read, serve)
}
