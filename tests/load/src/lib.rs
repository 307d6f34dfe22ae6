//! Bot players over real sockets: they log in, queue, play, resume, and check every frame.
//!
//! All bots share one thread. `watch` holds what a bot checks, `policy` what it plays, `bot` the connection.
//! `judge` is what all of them saw together: figures over time (`timeline`), the ticks of each match (`course`), and
//! what players did and saw (`diary`), which `replays` compares with the matches played again. `report` and `picture`
//! are what comes out; docs/load.md says what the figures mean.

mod args;
mod bot;
mod course;
mod cpu;
mod diary;
mod histogram;
mod judge;
mod login;
mod picture;
mod policy;
mod replays;
mod report;
mod run;
mod socket;
mod timeline;
mod watch;
mod window;

pub use args::Args;
pub use cpu::{cpu_time_s, cpu_times_s};
pub use login::UrlError;
pub use replays::ReplayReport;
pub use report::Report;
pub use run::{Outcome, Run, RunError, picture, run, write};
pub use window::{Mark, Window, WindowError, WindowReport};
