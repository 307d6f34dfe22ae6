//! Matches that change their owner while they are played: the side that waits. `logic::migration` decides, the
//! tick threads do what concerns a match, the registry says who owns it.

mod command;
mod drain;
pub(crate) mod messages;
mod mover;
mod records;
mod service;
mod source;
mod target;

pub(crate) use command::{Command, Feeds};
pub(crate) use drain::drain;
pub use mover::{MoveError, MoveReport, Mover, MoverParts, Progress};
pub(crate) use records::{Known, Records, Write, bounded};
pub use service::MigrationService;
