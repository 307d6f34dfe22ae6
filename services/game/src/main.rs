//! Entry point.

use arena_game::{Config, PROGRAM, serve};

fn main() -> std::process::ExitCode {
    arena_instance::main(PROGRAM, Config::read, serve)
}
