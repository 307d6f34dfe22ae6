//! What the gateway decides. No socket, no clock, no entropy.

pub mod admission;
pub mod bucket;
pub mod handover;
pub mod record;
pub mod session;
