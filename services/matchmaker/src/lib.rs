//! Tickets in, matches out; parties.
//!
//! [`logic`] decides who plays with whom and where. One task, the desk, owns everyone who waits at
//! this instance; `Matches` records a match in the registry once, whoever else holds its tickets,
//! and finds it an owner; `Parties` live in the registry alone.

mod clock;
mod config;
mod desk;
mod figures;
mod heard;
mod leases;
pub mod logic;
mod matches;
mod parties;
mod ratings;
mod records;
mod server;
mod service;
mod updates;

pub use config::{MatchmakerSettings, PROGRAM};
pub use records::{TicketRecord, party_key, ticket_key};
pub use server::{ServiceError, run, serve};
