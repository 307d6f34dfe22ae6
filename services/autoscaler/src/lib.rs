//! How many instances each service should have.
//!
//! [`policy`] decides from load, time and its own memory; [`serve`] reads the registry and publishes
//! the recommendation below `scale/`. It changes nothing by itself: arenactl, or a person, acts.

mod config;
mod observe;
pub mod policy;
mod server;

pub use config::{AutoscalerSettings, PROGRAM};
pub use observe::{Unit, observe};
pub use server::{ServiceError, run, serve};
