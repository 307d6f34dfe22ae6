//! Matches that change their owner while they are played: the side that waits. `logic::migration` decides, the
//! tick threads do what concerns a match, the registry says who owns it.

mod command;
mod drain;
pub(crate) mod messages;
mod mover;
mod records;
mod retry;
mod service;
mod shadowing;
mod shadows;
mod source;
mod target;
mod way;

pub(crate) use command::{Command, Feeds};
pub(crate) use drain::drain;
pub use mover::{MoveError, MoveReport, Mover, MoverParts, Progress};
pub(crate) use records::{Known, Records, Write, bounded};
pub use service::MigrationService;
pub(crate) use shadows::shadow;
