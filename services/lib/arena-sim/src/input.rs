//! What a seat does in one tick: the same for every game.

pub use arena_sdk::{Input, SeatInputs, buttons};
