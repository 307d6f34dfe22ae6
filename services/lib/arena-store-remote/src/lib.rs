//! Every storage port, served by the store service over the mesh.
//!
//! [`connect`] gives the ports of `arena-store` on a channel to the store service. Every call has a
//! deadline of its own; while the store is away calls fail with
//! [`StoreError::Unavailable`](arena_store::StoreError::Unavailable), and watches go on where they
//! were once it is back.
//!
//! [`wire`] is the one place that knows how the ports' types look in messages; the store service
//! uses it too.

mod analytics;
mod call;
mod hot;
mod objects;
mod players;
mod registry;
mod watch;
pub mod wire;

pub use call::{connect, is_idempotent};
pub use watch::HEARTBEAT;
