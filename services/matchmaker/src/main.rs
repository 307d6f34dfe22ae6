//! Entry point of the service `matchmaker`.

use std::process::ExitCode;

use arena_matchmaker::{MatchmakerSettings, PROGRAM, serve};

fn main() -> ExitCode {
    arena_instance::main(PROGRAM, MatchmakerSettings::read, serve)
}
