//! Results exactly once, ratings, history, leaderboards.
//!
//! A result comes again until it is acknowledged. The player store takes it once, together with the
//! ratings that follow from it; the totals and the leaderboard after it are written so that doing it
//! twice changes nothing. [`logic`] computes, [`Recorder`] writes, [`Pages`] reads.

mod config;
mod error;
pub mod logic;
mod pages;
mod recorder;
mod server;
#[cfg(test)]
mod tests;

pub use config::{PROGRAM, StatsSettings};
pub use error::StatsError;
pub use pages::Pages;
pub use recorder::Recorder;
pub use server::{ServiceError, run, serve};
