//! Entry point of the service `autoscaler`.

use std::process::ExitCode;

use arena_autoscaler::{AutoscalerSettings, PROGRAM, serve};

fn main() -> ExitCode {
    arena_instance::main(PROGRAM, AutoscalerSettings::read, serve)
}
