//! Rollouts: a region moves from one release to another, stage by stage.
//!
//! Pure: [`Rollout::on`] takes an event and returns the next state and what shall be done. The whole
//! state is what the journal holds; a step is written there before its effects are performed.

mod effect;
mod machine;
mod phase;
mod revert;
mod strategy;

#[cfg(test)]
mod tests;

pub mod blue_green;
pub mod recreate;
pub mod rolling;

pub(crate) use effect::weights_text;
pub use effect::{Effect, Event};
pub use machine::{
    Awaited, Cause, Deadline, Direction, Failure, Outcome, Pause, ROLLOUT_VERSION, Rollout,
    RolloutId, Wait,
};
pub use phase::{Act, Await, Facts, Phase, Side, Signal};
pub use strategy::{END_DEADLINE, END_LIMIT, STOP_LIMIT};
