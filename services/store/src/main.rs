//! Entry point of the service `store`.

use std::process::ExitCode;

use arena_store_service::{PROGRAM, StoreSettings, serve};

fn main() -> ExitCode {
    arena_instance::main(PROGRAM, StoreSettings::read, serve)
}
