//! A game as the service `game` hosts it: what a studio writes, and what both sides share.
//!
//! A [`Game`] reads rules and makes [`Worlds`], which hold many matches, step them together and say what each
//! viewer sees ([`Audience`]). Everything else is the service's: seats, inputs in time, sessions that come and
//! go, events that are never lost, results, replays. `docs/games.md` walks through a whole game.
//!
//! A match is a function of (seed, rules, inputs) in integers: the same bits on every machine, at every run. So
//! worlds read no clock, no entropy and no address, and iterate over nothing in an order that may differ.

mod audience;
#[cfg(feature = "conformance")]
pub mod conformance;
mod game;
mod hash;
mod input;
mod outcome;
mod rules;
mod sent;
mod slots;
mod worlds;

pub use audience::{Audience, FRAME_BITS_MAX, Frame, SPECTATOR_FRAME_BITS_MAX, Viewer};
pub use game::Game;
pub use hash::StateHash;
pub use input::{Input, SeatInputs, buttons};
pub use outcome::{Event, FlagChange, OWN_EVENT_BYTES_MAX, Outcome, Standing, TickOutput};
pub use rules::{PinnedRules, RulesError};
pub use sent::{SENT_MAX, Sent};
pub use slots::{Slots, WorldId};
pub use worlds::{ImportError, WorldError, Worlds};

/// Seats of a match, at most; a seat is an index below it.
pub const SEATS: usize = 16;
/// Ticks a second, of every game.
pub const TICK_RATE_HZ: u32 = 60;
