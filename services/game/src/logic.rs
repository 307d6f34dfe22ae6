//! Everything that decides: values in, values out. No socket, no clock, no entropy, no file.

pub mod events;
pub mod failover;
pub mod film;
pub mod hosted;
pub mod inputs;
pub mod journal;
pub mod migration;
pub mod recovery;
pub mod retention;
pub mod schedule;
pub mod seats;
pub mod shadow;
pub mod shard;
pub mod tape;
