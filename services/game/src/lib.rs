//! Hosts matches and owns their tick loop.
//!
//! `logic` decides; a `ticker` thread a core owns a shard of matches and runs it at 60 Hz; the
//! network side (`links`, `service`, `outbox`, `recorder`) runs on one tokio thread. Two bounded queues a
//! shard lie between, and neither side ever waits for the other: late frames are dropped, commands
//! wait.

mod checker;
mod config;
mod failover;
mod figures;
mod films;
mod gone;
pub mod host;
mod links;
pub mod logic;
mod moving;
mod outbox;
mod recorder;
mod server;
mod service;
mod stage;
mod ticker;

pub use config::Config;
pub use figures::Figures;
pub use films::Watching;
pub use moving::{MigrationService, MoveError, MoveReport, Mover, MoverParts, Progress};
pub use outbox::{Outbox, OutboxError, Standing, UNRECORDED_MAX};
pub use recorder::{Recorder, RecorderError, RecorderParts, Recording};
pub use server::{PROGRAM, ServeError, serve};
pub use service::GameService;
