//! The embedded stores behind the mesh: the one process that opens their files.
//!
//! [`server`] carries each port's calls to the stores; [`logic`] decides who may do what to which
//! data. Everything else is `arena-store-embedded`'s.

mod config;
mod error;
pub mod logic;
pub mod server;

pub use config::{PROGRAM, StoreSettings};
pub use error::ServiceError;
pub use server::serve;
