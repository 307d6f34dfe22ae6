//! The seam between a replay and the game that plays it again.
use arena_sim::SeatInputs;

use crate::footer::Outcome;
use crate::header::Header;

/// A game that plays its matches again: the same header and inputs give the same states, bit by bit.
pub trait Simulation {
    /// Why it cannot.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Goes to tick 0 of the header's match; also called before a state of that match is restored.
    ///
    /// # Errors
    /// If this build cannot play the match: another game, another schema, other rules. Both are named.
    fn start(&mut self, header: &Header) -> Result<(), Self::Error>;

    /// Goes to the state of a keyframe of the match that was started.
    ///
    /// # Errors
    /// If the bytes are no state of that match; whatever they are, no later call panics.
    fn restore(&mut self, state: &[u8]) -> Result<(), Self::Error>;

    /// Returns the ticks stepped so far.
    ///
    /// # Errors
    /// If no match was started.
    fn tick(&self) -> Result<u32, Self::Error>;

    /// Steps one tick for each of `inputs`.
    ///
    /// # Errors
    /// If no match was started, or the machine fails.
    fn advance(&mut self, inputs: &[SeatInputs]) -> Result<(), Self::Error>;

    /// Returns the hash of the state.
    ///
    /// # Errors
    /// If no match was started, or the machine fails.
    fn hash(&self) -> Result<u64, Self::Error>;

    /// Returns the state as a keyframe has it.
    ///
    /// # Errors
    /// If no match was started, or the machine fails.
    fn state(&self) -> Result<Vec<u8>, Self::Error>;

    /// Returns how the match stands: places, scores, and why it is over, an empty reason while it runs.
    ///
    /// # Errors
    /// If no match was started, or the machine fails.
    fn outcome(&self) -> Result<Outcome, Self::Error>;

    /// Returns what the little-endian word at `byte` of a state holds, for people.
    fn word_name(&self, byte: usize) -> Option<String> {
        let _ = byte;
        None
    }
}

/// One place for many replays, one after the other: a GPU, for instance.
impl<S: Simulation> Simulation for &mut S {
    type Error = S::Error;

    fn start(&mut self, header: &Header) -> Result<(), S::Error> {
        (**self).start(header)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), S::Error> {
        (**self).restore(state)
    }

    fn tick(&self) -> Result<u32, S::Error> {
        (**self).tick()
    }

    fn advance(&mut self, inputs: &[SeatInputs]) -> Result<(), S::Error> {
        (**self).advance(inputs)
    }

    fn hash(&self) -> Result<u64, S::Error> {
        (**self).hash()
    }

    fn state(&self) -> Result<Vec<u8>, S::Error> {
        (**self).state()
    }

    fn outcome(&self) -> Result<Outcome, S::Error> {
        (**self).outcome()
    }

    fn word_name(&self, byte: usize) -> Option<String> {
        (**self).word_name(byte)
    }
}

impl Outcome {
    /// Returns the outcome of a match that stands as `simulation` does; `otherwise` is why its recording
    /// ends if the match is not over.
    ///
    /// # Errors
    /// Those of the simulation.
    pub fn of<S: Simulation>(
        simulation: &S,
        otherwise: &str,
        ended_ms: u64,
    ) -> Result<Self, S::Error> {
        let mut outcome = simulation.outcome()?;
        if outcome.reason.is_empty() {
            otherwise.clone_into(&mut outcome.reason);
        }
        outcome.ended_ms = ended_ms;
        Ok(outcome)
    }
}
