//! The rules of the game, each written once in the common subset of Rust and WGSL.
//!
//! rustc compiles these files as they are; `wgsl` gives the same text to a shader compiler. The
//! subset: `i32`, `u32`, `bool`, `let`, `let mut`, `if`, `while`, `return x;`, unsuffixed literals
//! without underscores, `i32()` and `u32()` casts, and the built-ins of the prelude. No `as`, no
//! methods, no paths, no references. Arithmetic must not wrap (development builds check it) except
//! through `wadd` and `wmul`, which only hashes and random numbers use.
//!
//! Everything here is order-free: nothing depends on which player or projectile is looked at first.
#![allow(clippy::needless_return, reason = "WGSL has no tail expressions")]
#![allow(clippy::must_use_candidate, reason = "WGSL has another spelling for it")]
#![allow(clippy::unreadable_literal, reason = "WGSL has no underscores in numbers")]

pub mod crowd;
pub mod hash;
pub mod hit;
pub mod movement;
pub(crate) mod prelude;
pub mod projectile;
pub mod space;
pub mod status;
pub mod teams;
mod wgsl;

pub use wgsl::wgsl;
