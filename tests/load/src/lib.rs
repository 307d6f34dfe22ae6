//! Bot players over real sockets: they log in, queue, play, resume, and check every frame.
//!
//! All bots share one thread. `watch` holds what a bot checks, `policy` what it plays, `bot`
//! the connection, `report` what comes out.

mod args;
mod bot;
mod login;
mod policy;
mod report;
mod run;
mod socket;
mod watch;

pub use args::Args;
pub use report::Report;
pub use run::{RunError, run};
