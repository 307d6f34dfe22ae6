//! Entry point.

use std::process::ExitCode;

use arena_gateway::{Settings, serve};
use arena_instance::{Need, Program, Threads};

const PROGRAM: Program = Program {
    name: "arena-gateway",
    needs: &[Need::Store, Need::PublicPort],
    schema: &[("play", arena_wire::play::PROTOCOL_VERSION as u32)],
    threads: Threads::One,
};

fn main() -> ExitCode {
    arena_instance::main(PROGRAM, Settings::read, serve)
}
