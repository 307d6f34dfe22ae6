//! Replays: one file a match, from which every tick of it can be played again.
//!
//! A [`Writer`] makes the file while the match runs, from inputs, state hashes and a state each ten seconds;
//! it returns bytes to append and does no I/O. A [`Reader`] opens a file, also one whose end was torn off, and
//! goes to any keyframe; a [`Follower`] reads a file that still grows. A [`Playback`] gives what is read to a
//! [`Simulation`], and compares; [`verify()`] does so to the end, [`cut()`] makes a replay of a part.
//! [`GameMatch`] is the simulation of any game's matches, [`arena`] that of the arena's own on a chosen backend.
//!
//! The format knows no game: inputs are 16 words a tick, states are bytes, hashes 64 bits. docs/replays.md
//! has it byte by byte. Whatever a file holds, reading it takes memory within [`limits`] and never panics.
pub mod arena;
mod codec;
mod cut;
mod error;
mod evidence;
mod follow;
mod footer;
mod frame;
mod game;
mod header;
mod inputs;
pub mod limits;
mod match_error;
mod playback;
mod problem;
mod reader;
mod records;
mod simulation;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod verify;
mod window;
mod writer;

#[cfg(test)]
mod tests;

pub use codec::{Chunk, Content, Encoder};
pub use cut::{CutError, cut};
pub use error::{Damage, Fault, ReadError, WriteError};
pub use evidence::{Evidence, evidence};
pub use follow::{Follower, Part};
pub use footer::{Footer, KeyframePlace, Outcome, Place};
pub use frame::{ChunkHead, ChunkKind, VERSION};
pub use game::{GameError, GameMatch};
pub use header::{Header, Player};
pub use match_error::MatchError;
pub use playback::{Compared, Playback, PlaybackError, Step};
pub use problem::{Divergence, Problem, Problems, WordDifference, chain};
pub use reader::{Reader, Recovery};
pub use records::{Event, Note, TickHash};
pub use simulation::Simulation;
pub use verify::{Audit, Tally, Verification, audit, verify};
pub use writer::{Block, Safety, Settings, Writer};
