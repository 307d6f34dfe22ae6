//! Rules and flags: versioned, checked before they are published, watched.
//!
//! What is in force lives in the registry (`rules/…`, `flags/…`), so that every service can read it
//! without this one; [`logic`] decides what may be written there. A copy on disk is served while the
//! store is away.

mod config;
mod error;
mod last_good;
pub mod logic;
mod server;
mod view;
mod writer;

pub use config::{ConfigSettings, PROGRAM};
pub use error::ConfigError;
pub use last_good::LastGood;
pub use server::{ServiceError, run, serve};
pub use view::View;
pub use writer::Writer;
