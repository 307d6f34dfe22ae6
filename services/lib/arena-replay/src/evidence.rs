//! Both states of a match that took another course than was recorded.
use std::io::{Read, Seek};

use crate::codec::Content;
use crate::playback::PlaybackError;
use crate::problem::{Problem, WordDifference};
use crate::reader::Reader;
use crate::simulation::Simulation;

/// What was recorded of a match beside what it is when it is played again.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The tick of both states.
    pub tick: u32,
    /// The state when it is played again.
    pub replayed: Vec<u8>,
    /// The recorded state; `None` if the replay has none from the difference on.
    pub recorded: Option<Vec<u8>>,
    /// The first words that differ.
    pub words: Vec<WordDifference>,
    /// How many differ.
    pub word_count: usize,
}

impl Problem {
    /// Returns the tick at which the match is known to take another course, if that is the problem:
    /// damage to a file is not.
    #[must_use]
    pub fn differs_at(&self) -> Option<u32> {
        match self {
            Self::Diverged(divergence) => Some(divergence.tick),
            Self::Overrun { over, .. } => Some(*over),
            Self::Outcome { .. } => Some(u32::MAX),
            Self::Damaged(_) | Self::Unfinished(_) | Self::Short { .. } | Self::Unproven => None,
        }
    }
}

/// Plays a replay to its first keyframe at `tick` or later, or to its end, and returns both states. Other
/// than a playback it never goes on from what was recorded.
///
/// # Errors
/// [`PlaybackError::Read`] also for what is damaged on the way, [`PlaybackError::Simulation`].
pub fn evidence<R: Read + Seek, S: Simulation>(
    reader: &mut Reader<R>,
    simulation: &mut S,
    tick: u32,
) -> Result<Evidence, PlaybackError<S::Error>> {
    reader.rewind();
    simulation.start(reader.header()).map_err(PlaybackError::Simulation)?;
    let mut has_state = reader.header().first_tick == 0;
    while let Some(chunk) = reader.next_chunk().map_err(PlaybackError::Read)? {
        match chunk.content {
            Content::Inputs(inputs) => {
                simulation.advance(&inputs).map_err(PlaybackError::Simulation)?;
            }
            Content::Keyframe(state) if !has_state => {
                simulation.restore(&state).map_err(PlaybackError::Simulation)?;
                has_state = true;
            }
            Content::Keyframe(state) if chunk.head.from >= tick => {
                return found(simulation, chunk.head.from, Some(state));
            }
            _ => {}
        }
    }
    let end = reader.last_tick();
    found(simulation, end, None)
}

fn found<S: Simulation>(
    simulation: &S,
    tick: u32,
    recorded: Option<Vec<u8>>,
) -> Result<Evidence, PlaybackError<S::Error>> {
    let replayed = simulation.state().map_err(PlaybackError::Simulation)?;
    let (words, word_count) = match &recorded {
        Some(recorded) => {
            WordDifference::between(&replayed, recorded, |byte| simulation.word_name(byte))
        }
        None => (Vec::new(), 0),
    };
    Ok(Evidence { tick, replayed, recorded, words, word_count })
}
