//! Decides what a deploy does; never acts.
//!
//! `arena.yaml` becomes a [`spec::Spec`], a spec and what was built become a [`release::Release`],
//! a release and what a backend sees become a [`plan::Plan`], and a plan becomes a
//! [`rollout::Rollout`]: a state machine that takes events and returns effects. There is no clock, no
//! entropy and no I/O here (`clippy.toml` bans them): everything is an argument.

mod digest;

#[cfg(test)]
mod fixture;

pub mod history;
pub mod lint;
pub mod observed;
pub mod plan;
pub mod release;
pub mod render;
pub mod rollout;
pub mod spec;
pub mod stage;
pub mod units;

pub use digest::{Digest, DigestError};
