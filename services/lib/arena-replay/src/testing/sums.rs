//! The smallest game: eight sums, and nothing of the arena.
use arena_sim::SeatInputs;

use crate::{Header, Outcome, Place, Simulation};

const WORDS: usize = 9;

/// Word 0 counts ticks, each other one mixes the inputs of two seats.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    words: [u32; WORDS],
}

/// Why [`Sums`] cannot play.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SumsError {
    /// The replay is of another game.
    #[error("the game is `{0}`")]
    Game(String),
    /// The state is none of this game.
    #[error("a state has 36 bytes, not {0}")]
    Length(usize),
}

/// Returns the header of a match of [`Sums`].
#[must_use]
pub fn sums_header(seed: u32) -> Header {
    Header {
        release: "r1".to_owned(),
        game: "sums".to_owned(),
        schema: 1,
        map: "none".to_owned(),
        seed,
        tick_rate_hz: 30,
        match_id: "sum".to_owned(),
        hash_ticks: 10,
        keyframe_ticks: 50,
        ..Header::default()
    }
}

impl Simulation for Sums {
    type Error = SumsError;

    fn start(&mut self, header: &Header) -> Result<(), SumsError> {
        if header.game != "sums" {
            return Err(SumsError::Game(header.game.clone()));
        }
        self.words = [header.seed; WORDS];
        self.words[0] = 0;
        Ok(())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), SumsError> {
        if state.len() != 4 * WORDS {
            return Err(SumsError::Length(state.len()));
        }
        for (word, bytes) in self.words.iter_mut().zip(state.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Ok(())
    }

    fn tick(&self) -> Result<u32, SumsError> {
        Ok(self.words[0])
    }

    fn advance(&mut self, inputs: &[SeatInputs]) -> Result<(), SumsError> {
        for inputs in inputs {
            self.words[0] = self.words[0].wrapping_add(1);
            for (seat, input) in inputs.iter().enumerate() {
                let word = &mut self.words[1 + seat / 2];
                *word = (*word ^ input.pack()).rotate_left(5).wrapping_mul(0x9e37_79b1);
            }
        }
        Ok(())
    }

    fn hash(&self) -> Result<u64, SumsError> {
        let mix = |hash: u64, word: &u32| (hash ^ u64::from(*word)).wrapping_mul(0x100_0000_01b3);
        Ok(self.words.iter().fold(0xcbf2_9ce4_8422_2325, mix))
    }

    fn state(&self) -> Result<Vec<u8>, SumsError> {
        Ok(self.words.iter().flat_map(|it| it.to_le_bytes()).collect())
    }

    fn outcome(&self) -> Result<Outcome, SumsError> {
        let kills = self.words[1] >> 16;
        let standings = vec![Place { seat: 1, rank: 1, kills, deaths: 0, bot: false }];
        Ok(Outcome { standings, ..Outcome::default() })
    }

    fn word_name(&self, byte: usize) -> Option<String> {
        (byte == 0).then(|| "tick".to_owned())
    }
}
