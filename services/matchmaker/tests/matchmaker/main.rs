//! The service over the real mesh and real embedded stores, with game instances that only note
//! what they are asked to host.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are tests, too")]

mod arena;
mod killed;
mod parties;
mod placing;
mod queueing;
