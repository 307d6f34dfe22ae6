//! The seam between the services and whatever steps the matches.
use crate::hash::StateHash;
use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::ruleset::{Capacity, Rules};
use crate::snapshot::SnapshotError;
use crate::view::WorldView;

/// Names a match inside one backend; a handle of a freed match stays invalid for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchHandle {
    pub(crate) capacity: u8,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// Why a call did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The match was freed, or belongs to another backend.
    #[error("match {handle:?} does not live in this backend")]
    Stale {
        /// The handle.
        handle: MatchHandle,
    },
    /// A match stands twice in one batch.
    #[error("match {handle:?} is in the batch twice")]
    Twice {
        /// The handle.
        handle: MatchHandle,
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
    /// No room for another match of this size.
    #[error("all {matches} matches with {} projectiles are taken", capacity.projectiles())]
    Full {
        /// The size class.
        capacity: Capacity,
        /// Matches of that size.
        matches: usize,
    },
    /// The matches are played by more different rules than the backend has room for.
    #[error("all {limit} different rules are in use")]
    TooManyRules {
        /// Different rules at a time.
        limit: usize,
    },
    /// The device that steps the matches failed; no call brings it back.
    #[error("the device is lost: {reason}")]
    Device {
        /// What it or its driver said.
        reason: String,
    },
}

/// Why a snapshot did not become a match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The bytes are no state of a match with these rules.
    #[error("cannot restore the snapshot")]
    Snapshot(#[source] SnapshotError),
    /// There is no room.
    #[error("cannot place the match")]
    Backend(#[source] BackendError),
}

/// Steps many matches together. CPU and GPU give the same states, outputs and hashes, bit by bit.
pub trait Backend: Send {
    /// Returns what does the work, for logs and metrics: `cpu-avx2`.
    fn name(&self) -> &'static str;

    /// Returns why the device that stepped the matches was given up, if it was.
    fn failure(&self) -> Option<&str> {
        None
    }

    /// Starts a match with empty seats; players come by [`crate::buttons::JOIN`].
    ///
    /// # Errors
    /// [`BackendError::Full`].
    fn create(&mut self, seed: u32, rules: &Rules) -> Result<MatchHandle, BackendError>;

    /// Ends a match and gives its slot back.
    ///
    /// # Errors
    /// [`BackendError::Stale`].
    fn free(&mut self, handle: MatchHandle) -> Result<(), BackendError>;

    /// Advances every match of the batch by one tick; a finished match stays as it is.
    ///
    /// `inputs` and `outputs` have the shape `[matches]`. O(matches), allocates nothing. The order of
    /// the batch does not change any result.
    ///
    /// # Errors
    /// [`BackendError::Shape`], [`BackendError::Stale`], [`BackendError::Twice`]; no match was stepped then.
    fn step(
        &mut self,
        matches: &[MatchHandle],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), BackendError>;

    /// Advances every match of the batch by many ticks, to catch up or to play a recording: what so many
    /// calls of [`Backend::step`] do, and on a GPU in one dispatch.
    ///
    /// `inputs` and `outputs` have the shape `[ticks][matches]`.
    ///
    /// # Errors
    /// As [`Backend::step`]; [`BackendError::Shape`] too if the inputs are no whole number of ticks.
    fn step_many(
        &mut self,
        matches: &[MatchHandle],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), BackendError> {
        let is_whole = inputs.len().is_multiple_of(matches.len().max(1));
        if !is_whole || inputs.len() != outputs.len() {
            let (inputs, outputs) = (inputs.len(), outputs.len());
            return Err(BackendError::Shape { matches: matches.len(), inputs, outputs });
        }
        let ticks = inputs.chunks(matches.len().max(1));
        for (inputs, outputs) in ticks.zip(outputs.chunks_mut(matches.len().max(1))) {
            self.step(matches, inputs, outputs)?;
        }
        Ok(())
    }

    /// Returns the match as bytes that any backend imports.
    ///
    /// # Errors
    /// [`BackendError::Stale`].
    fn export(&self, handle: MatchHandle) -> Result<Vec<u8>, BackendError>;

    /// Makes a match of exported bytes; whatever the bytes are, no later call panics.
    ///
    /// # Errors
    /// [`ImportError`].
    fn import(&mut self, bytes: &[u8], rules: &Rules) -> Result<MatchHandle, ImportError>;

    /// Returns the hash of the whole state; equal on every backend.
    ///
    /// # Errors
    /// [`BackendError::Stale`].
    fn state_hash(&self, handle: MatchHandle) -> Result<StateHash, BackendError>;

    /// Returns the match for reading, as it stands after the last step.
    ///
    /// # Errors
    /// [`BackendError::Stale`].
    fn view(&self, handle: MatchHandle) -> Result<WorldView<'_>, BackendError>;
}
