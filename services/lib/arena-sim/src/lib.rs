//! The deterministic world: one arena of 16 players, integers only, the same on every machine.
//!
//! A match is a function of (seed, [`Rules`], inputs). Its whole state is one slab of little-endian
//! words; a [`Backend`] steps many matches together. The same bytes are the snapshot, and
//! [`StateHash`] compares two states. [`WorldView`] reads a slab; [`bots`] plays seats nobody took.
//!
//! `rules/` holds the rules in the common subset of Rust and WGSL, `systems/` the drivers of the CPU.
//! The scalar, brute-force driver is the specification; the vectorised one must equal it bit by bit.
#![allow(
    clippy::inline_always,
    reason = "a body is compiled once per instruction set only if inlined"
)]

mod backend;
pub mod bots;
mod cpu;
mod hash;
mod input;
mod map;
mod movement;
mod output;
mod pool;
pub mod rules;
mod ruleset;
pub mod seam;
mod simd;
mod slab;
mod snapshot;
mod standings;
mod systems;
mod tables;
mod view;
mod words;

#[cfg(test)]
mod tests;

pub use backend::{Backend, BackendError, ImportError, MatchHandle};
pub use cpu::{CpuBackend, Path};
pub use hash::StateHash;
pub use input::{Input, SeatInputs, buttons};
pub use map::{BUILT_IN as BUILT_IN_MAPS, Map, MapError};
pub use movement::{Motion, Movement};
pub use output::{Events, FlagEvent, TickEvent, TickOutput};
pub use ruleset::{Capacity, Mistake, Mode, Problem, Rules, RulesError};
pub use slab::{DRONES, PICKUPS, PLAYERS, SCHEMA};
pub use snapshot::SnapshotError;
pub use standings::{FinishReason, Standing};
pub use tables::{COSINES, direction};
pub use view::{DroneView, FlagView, PickupView, PlayerView, ProjectileView, WorldView};
pub use words::snapshot_word;
