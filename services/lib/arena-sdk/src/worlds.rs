use std::error::Error;

use crate::audience::Audience;
use crate::hash::StateHash;
use crate::input::{Input, SeatInputs};
use crate::outcome::{Outcome, TickOutput};
use crate::rules::PinnedRules;
use crate::slots::WorldId;

/// Many matches of one game, stepped by one thread.
///
/// Every method that takes a [`WorldId`] fails with [`WorldError::Stale`] for one that was freed, and changes
/// nothing when it fails.
pub trait Worlds: Audience + Send {
    /// Returns what does the work, for logs and metrics: `cpu-avx2`.
    fn backend(&self) -> &'static str;

    /// Returns why the device that stepped the matches was given up, if it was: another backend, the one
    /// that is named now, goes on with the same states.
    fn failure(&self) -> Option<&str> {
        None
    }

    /// Starts a match with empty seats; players come by [`crate::buttons::JOIN`].
    ///
    /// # Errors
    /// [`WorldError::Rules`], [`WorldError::Full`].
    fn create(&mut self, seed: u32, rules: &PinnedRules) -> Result<WorldId, WorldError>;

    /// Ends a match and gives its room back.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    fn free(&mut self, id: WorldId) -> Result<(), WorldError>;

    /// Advances every match of the batch by one tick; a finished match stays as it is.
    ///
    /// A backend may step the whole batch at once; the order of the batch changes no result.
    ///
    /// # Errors
    /// [`WorldError::Shape`], [`WorldError::Stale`], [`WorldError::Twice`]: no match was stepped then.
    fn step(
        &mut self,
        ids: &[WorldId],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), WorldError>;

    /// Returns the whole state as bytes that any machine imports.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    fn export(&self, id: WorldId) -> Result<Vec<u8>, WorldError>;

    /// Makes a match of exported bytes; whatever the bytes are, no later call panics.
    ///
    /// # Errors
    /// [`ImportError`]; for a state of another schema or of other rules it names both.
    fn import(&mut self, state: &[u8], rules: &PinnedRules) -> Result<WorldId, ImportError>;

    /// Returns the hash of the whole state.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    fn state_hash(&self, id: WorldId) -> Result<StateHash, WorldError>;

    /// Returns the ticks stepped so far.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    fn tick(&self, id: WorldId) -> Result<u32, WorldError>;

    /// Returns how a match stands.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    fn outcome(&self, id: WorldId) -> Result<Outcome, WorldError>;

    /// Returns what a bot in `seat` does next. It depends on the state and `seed` alone, and may be asked at any
    /// rate.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    fn bot(&self, id: WorldId, seat: u8, seed: u32) -> Result<Input, WorldError>;

    /// Returns what the little-endian word at `byte` of an exported state holds, for people who compare two.
    fn word_name(&self, rules: &PinnedRules, byte: usize) -> Option<String> {
        let _ = (rules, byte);
        None
    }
}

/// Why a call did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// The match was freed, or belongs to other worlds.
    #[error("match {id:?} does not live here")]
    Stale {
        /// The match.
        id: WorldId,
    },
    /// A match stands twice in one batch.
    #[error("match {id:?} is in the batch twice")]
    Twice {
        /// The match.
        id: WorldId,
    },
    /// Inputs or outputs do not go with the matches.
    #[error("{matches} matches but {inputs} inputs and {outputs} outputs")]
    Shape {
        /// Matches in the batch.
        matches: usize,
        /// Inputs given.
        inputs: usize,
        /// Outputs given.
        outputs: usize,
    },
    /// No room for another match.
    #[error("all {matches} places for matches are taken")]
    Full {
        /// How many there are.
        matches: usize,
    },
    /// The rules are another game's.
    #[error("the rules are of the game `{found}`, the worlds of `{expected}`")]
    Rules {
        /// The game of the rules.
        found: &'static str,
        /// The game of the worlds.
        expected: &'static str,
    },
    /// The match has as many viewers as it may have.
    #[error("the match has {viewers} viewers, no more can watch")]
    Crowded {
        /// How many watch.
        viewers: usize,
    },
    /// The machine that steps failed.
    #[error("the simulation failed: {reason}")]
    Failed {
        /// Why, for operators.
        reason: String,
    },
}

/// Why bytes did not become a match.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// They are no state of a match with these rules.
    #[error("cannot restore the state")]
    State(#[source] Box<dyn Error + Send + Sync>),
    /// There is no room, or the rules are another game's.
    #[error("cannot place the match")]
    Place(#[source] WorldError),
}
