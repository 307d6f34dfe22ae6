//! What is wrong with a replay that can be read.
use std::error::Error;
use std::fmt;

use crate::error::Damage;
use crate::footer::{Outcome, Place};
use crate::reader::Recovery;

/// Problems kept; the rest is counted.
const PROBLEMS_MAX: usize = 32;
/// Words of a state that are named; the rest is counted.
const WORDS_MAX: usize = 8;
/// Bytes of a word of a state.
const WORD_BYTES: usize = 4;

/// Something that keeps a replay from being true.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// A part of the file is damaged.
    Damaged(Damage),
    /// The file has no end: it was cut, or its writer died, or it is still being written.
    Unfinished(Recovery),
    /// The match takes another course than was recorded.
    Diverged(Divergence),
    /// There are inputs for fewer ticks than the footer says.
    Short {
        /// The last tick with inputs.
        last_tick: u32,
        /// The footer's.
        expected: u32,
    },
    /// There are inputs after the end of the match.
    Overrun {
        /// The tick at which the match is over.
        over: u32,
        /// A tick with inputs after it.
        tick: u32,
    },
    /// The match ends in another way than was recorded.
    Outcome {
        /// How it ends.
        found: Outcome,
        /// What the footer says.
        expected: Outcome,
    },
    /// There was nothing to compare: no hash, no keyframe, no end.
    Unproven,
}

/// Where a match takes another course than was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The first tick known to differ.
    pub tick: u32,
    /// The last tick known to be equal.
    pub equal_tick: Option<u32>,
    /// The state's hash, and the recorded one.
    pub hashes: Option<(u64, u64)>,
    /// What differs in the state, if there is a keyframe: the first few words.
    pub words: Vec<WordDifference>,
    /// How many words differ.
    pub word_count: usize,
}

/// A little-endian word in which two states differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordDifference {
    /// Its first byte.
    pub byte: usize,
    /// What it holds, if the game tells.
    pub name: Option<String>,
    /// Its value in the state; `None` if that ends before.
    pub found: Option<u32>,
    /// Its value in the keyframe; `None` if that ends before.
    pub expected: Option<u32>,
}

/// The problems of a replay in the order they were found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problems {
    list: Vec<Problem>,
    more: u64,
}

impl Problems {
    /// Returns the first ones.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Returns how many there are beside those in the list.
    #[must_use]
    pub fn more(&self) -> u64 {
        self.more
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        let place = |it: &Problem| match it {
            Problem::Damaged(damage) => Some(damage.offset),
            _ => None,
        };
        let is_told =
            place(&problem).is_some_and(|it| self.list.iter().any(|old| place(old) == Some(it)));
        if is_told || self.list.contains(&problem) {
            return;
        }
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Adds those of another search; what both found stays once.
    pub(crate) fn extend(&mut self, others: Self) {
        self.more += others.more;
        others.list.into_iter().for_each(|it| self.push(it));
    }

    /// Adds to the last divergence what its state differs in; `false` if it is not in the list.
    pub(crate) fn add_words(&mut self, words: &[WordDifference], word_count: usize) -> bool {
        match self.list.last_mut() {
            Some(Problem::Diverged(divergence)) if divergence.words.is_empty() => {
                divergence.words = words.to_vec();
                divergence.word_count = word_count;
                true
            }
            _ => self.more > 0,
        }
    }
}

impl WordDifference {
    /// Returns the first words in which two states differ, and how many there are.
    pub(crate) fn between(
        found: &[u8],
        expected: &[u8],
        name: impl Fn(usize) -> Option<String>,
    ) -> (Vec<Self>, usize) {
        let (mut words, mut count) = (Vec::new(), 0);
        for byte in (0..found.len().max(expected.len())).step_by(WORD_BYTES) {
            let (found, expected) = (word(found, byte), word(expected, byte));
            if found == expected {
                continue;
            }
            count += 1;
            if words.len() < WORDS_MAX {
                words.push(Self { byte, name: name(byte), found, expected });
            }
        }
        (words, count)
    }
}

fn placed(place: &Place) -> String {
    let Place { seat, rank, kills, deaths, bot } = place;
    let who = if *bot { " (bot)" } else { "" };
    format!("seat {seat}{who} is on place {rank} with {kills} kills and {deaths} deaths")
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.iter().take(WORD_BYTES);
    let word = bytes.zip(0..).map(|(byte, n)| u32::from(*byte) << (8 * n));
    word.reduce(|word, byte| word | byte)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(damage) => damage.fmt(f),
            Self::Unfinished(recovery) => recovery.fmt(f),
            Self::Diverged(divergence) => divergence.fmt(f),
            Self::Short { last_tick, expected } => {
                write!(f, "inputs end at tick {last_tick}, the footer says {expected}")
            }
            Self::Overrun { over, tick } => {
                write!(
                    f,
                    "the match is over at tick {over}, and there are inputs up to tick {tick}"
                )
            }
            Self::Outcome { found, expected } if found.reason != expected.reason => {
                write!(f, "it ends by `{}`, recorded is `{}`", found.reason, expected.reason)
            }
            Self::Outcome { found, expected } => {
                let pairs = || found.standings.iter().zip(&expected.standings);
                if let Some((found, expected)) = pairs().find(|(found, expected)| found != expected)
                {
                    return write!(f, "{}, recorded is {}", placed(found), placed(expected));
                }
                let (own, recorded) = (found.standings.len(), expected.standings.len());
                if own != recorded {
                    return write!(f, "{own} seats have places, recorded are {recorded}");
                }
                let (own, recorded) = (&found.team_scores, &expected.team_scores);
                write!(f, "the teams have {own:?}, recorded is {recorded:?}")
            }
            Self::Unproven => f.write_str("there is nothing to compare: no hash, keyframe or end"),
        }
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; it is readable up to byte {}, tick {}",
            self.cause, self.end, self.last_tick
        )?;
        match &self.stop {
            Some(damage) => write!(f, "; then {damage}; {} bytes are lost", self.lost_bytes),
            None if self.lost_bytes > 0 => write!(f, "; {} bytes follow its end", self.lost_bytes),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hashes {
            Some((found, expected)) => {
                write!(f, "the state of tick {} has hash {found:016x}", self.tick)?;
                write!(f, ", recorded is {expected:016x}")?;
            }
            None => write!(f, "the state of tick {} is not its keyframe", self.tick)?,
        }
        match self.equal_tick {
            Some(tick) if tick == self.tick => f.write_str("; its recorded hash is equal")?,
            Some(tick) => write!(f, "; the last equal one is of tick {tick}")?,
            None => {}
        }
        for (at, word) in self.words.iter().enumerate() {
            f.write_str(if at == 0 { "; it differs in " } else { "; in " })?;
            word.fmt(f)?;
        }
        match self.word_count - self.words.len() {
            0 => Ok(()),
            more => write!(f, "; and in {more} more words"),
        }
    }
}

impl fmt::Display for WordDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} (byte {}): ", self.byte)?,
            None => write!(f, "byte {}: ", self.byte)?,
        }
        let value = |it: Option<u32>| it.map_or("nothing".to_owned(), |it| format!("{it:08x}"));
        write!(f, "{}, recorded {}", value(self.found), value(self.expected))
    }
}

/// Writes an error and each of its causes in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
