//! Entry point of the service `config`.

use std::process::ExitCode;

use arena_config::{ConfigSettings, PROGRAM, serve};

fn main() -> ExitCode {
    arena_instance::main(PROGRAM, ConfigSettings::read, serve)
}
