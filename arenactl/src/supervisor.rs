//! One process an instance: owns its sockets, restarts it, keeps its log and its certificate.
//!
//! The supervisor is arenactl itself (`arenactl supervise <folder>`), in a session of its own, so that it
//! outlives the command that started it. It reads `launch.json` once, writes `state.json` on every
//! change and answers on `control.sock`; it never decides about releases.
//!
//! ```text
//! starting ──child runs──▶ running ──child exits──▶ backing-off ──delay──▶ running
//!     │ no socket             │ stop                    │ stop
//!     ▼                       ▼                         ▼
//!   failed                 stopping ──child exits──▶ stopped
//! ```

mod child;
pub mod control;
mod identity;
pub mod launch;
mod lease;
mod log_files;
pub mod report;
mod restart;
mod run;
mod sockets;

pub use child::exec;
pub(crate) use identity::operator_uri;
pub use identity::{Authority, IdentityError, key_is_private};
pub use launch::{
    IdentityPlan, LAUNCH_FILE, Launch, LogLimits, RestartLimits, SocketKind, SocketPlan,
};
pub use log_files::tail;
pub use report::{Exit, Phase, Report};
pub use run::{SuperviseError, supervise};
