//! Entry point of the service `auth`.

use std::process::ExitCode;

use arena_auth::{AuthSettings, PROGRAM, serve};

fn main() -> ExitCode {
    arena_instance::main(PROGRAM, AuthSettings::read, serve)
}
