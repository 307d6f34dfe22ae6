//! The store service: in this process over real QUIC, and as a process that is killed.

mod conformance;
mod kill;
mod mesh;
mod outage;
mod refusals;
