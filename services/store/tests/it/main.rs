//! The store service: in this process over real QUIC, and as a process that is killed.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod conformance;
mod kill;
mod mesh;
mod outage;
mod refusals;
