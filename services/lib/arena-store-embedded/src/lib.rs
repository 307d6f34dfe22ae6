//! Every storage port on `SQLite` and a folder, in one process.
//!
//! [`Embedded::open`] takes the folder for itself, checks and migrates the files, and serves the
//! ports until [`Embedded::close`]. One file a port, so that damage and load stay apart:
//! `registry.db`, `hot.db` with `journals.db`, `players.db`, `analytics.db`, and the folder `objects/`.
//!
//! Durability: each file is a write-ahead log with `synchronous=FULL`, and a write is answered after
//! its transaction is synced; `NORMAL` for analytics and journals, where it is answered once the system
//! has it and a crash of the machine takes the last of them. Writes that wait together are committed
//! together (`writer`). Reads go to a small pool and see all that was answered.

mod analytics;
mod clock;
mod database;
mod fault;
mod hot;
mod lock;
mod objects;
mod open;
mod players;
mod registry;
mod rows;
mod writer;

pub use open::{Embedded, OpenError, Options};
