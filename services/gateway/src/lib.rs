//! The players' edge: the page, REST, web sockets, sessions that survive games and gateways.
//!
//! `logic` decides, `socket` and `links` act. A session's frames pass from a link to a
//! socket's slot unopened; everything else passes through `logic::session`.

pub mod accept;
pub mod config;
pub mod edge;
pub mod error;
mod files;
pub mod keys;
pub mod lanes;
pub mod links;
pub mod logic;
pub mod metrics;
pub mod page;
pub mod placement;
pub mod rest;
pub mod revocations;
pub mod saver;
pub mod server;
pub mod sessions;
pub mod silence;
pub mod slot;
pub mod socket;
pub mod tls;
pub mod upgrade;
pub mod upstream;
pub mod waiting;

pub use config::Settings;
pub use error::GatewayError;
pub use server::serve;
