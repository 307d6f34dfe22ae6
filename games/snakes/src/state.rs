//! A match as bytes: little-endian words, checked one by one when they are read.

use arena_sdk::StateHash;

use crate::board::{Board, Cell, FOOD, Heading, LENGTH_MAX, Snake};
use crate::random::mix;
use crate::rules::Rules;
use crate::{SCHEMA, SNAKES};

/// "SNKS", so that other files are told apart at once.
const MAGIC: u32 = u32::from_le_bytes(*b"SNKS");
/// Words before the food: magic, schema, version and hash of the rules, tick, seed.
const HEAD: [&str; 7] =
    ["magic", "schema", "rules version", "rules hash, low", "rules hash, high", "tick", "seed"];
/// Words of a snake before its cells.
const SNAKE: [&str; 6] = ["flags", "growth left", "wait", "points", "deaths", "length"];
/// Flags of a snake; the headings are above.
const TAKEN: u32 = 1;
const BOT: u32 = 2;
const HEADING_SHIFT: u32 = 8;
const WANTED_SHIFT: u32 = 16;
/// No food there.
const NOTHING: u32 = u32::MAX;
/// Points and deaths are kept in 16 bits.
const SCORE_MAX: u32 = u16::MAX as u32;

/// Why bytes are no state of a match with the given rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    /// Too few bytes, or too many.
    #[error("the state has {found} bytes, its content says otherwise")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// Not a state at all.
    #[error("the bytes do not start as a state of snakes does")]
    Magic,
    /// Written by a build that plays differently.
    #[error("the state has schema {found}, this build {expected}")]
    Schema {
        /// The state's.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// Of a match with other rules.
    #[error(
        "the state is of rules {found:016x}, version {found_version}, not of {expected:016x}, version {expected_version}"
    )]
    Rules {
        /// The state's.
        found: u64,
        /// The state's.
        found_version: u32,
        /// Those given.
        expected: u64,
        /// Those given.
        expected_version: u32,
    },
    /// The hash at the end is another one.
    #[error("the state hashes to {found}, it says {expected}")]
    Hash {
        /// Of what was read.
        found: StateHash,
        /// At the end.
        expected: StateHash,
    },
    /// A value that no match comes to.
    #[error("{what} cannot be {found}")]
    Value {
        /// What it is.
        what: &'static str,
        /// What was found.
        found: u32,
    },
}

/// Returns the words of a state, without its hash.
fn words(board: &Board, rules: &Rules) -> Vec<u32> {
    let (low, high) = (rules.hash as u32, (rules.hash >> 32) as u32);
    let mut words = vec![MAGIC, SCHEMA, rules.version, low, high, board.tick, board.seed];
    words.extend(board.food.map(|it| it.map_or(NOTHING, packed)));
    for snake in &board.snakes {
        let flags = (u32::from(snake.taken) * TAKEN)
            | (u32::from(snake.bot) * BOT)
            | (snake.heading as u32) << HEADING_SHIFT
            | (snake.wanted as u32) << WANTED_SHIFT;
        let (points, deaths) = (u32::from(snake.points), u32::from(snake.deaths));
        let length = snake.body.len() as u32;
        words.extend([flags, snake.growing, snake.wait, points, deaths, length]);
        words.extend(snake.body.iter().map(|it| packed(*it)));
    }
    words
}

fn packed(cell: Cell) -> u32 {
    u32::from(cell.y) << 8 | u32::from(cell.x)
}

/// Returns the hash of a match.
pub(crate) fn hash(board: &Board, rules: &Rules) -> StateHash {
    hash_of(&words(board, rules))
}

/// The version of the rules is no part of it: it changes nothing in the match.
fn hash_of(words: &[u32]) -> StateHash {
    let played = words.iter().enumerate().filter(|(index, _)| *index != 2);
    let hash = played.fold(0u64, |hash, (_, word)| {
        let low = mix(word ^ hash as u32);
        u64::from(mix(low ^ (hash >> 32) as u32)) << 32 | u64::from(low)
    });
    StateHash(hash)
}

/// Returns a match as bytes.
pub(crate) fn encode(board: &Board, rules: &Rules) -> Vec<u8> {
    let words = words(board, rules);
    let StateHash(hash) = hash_of(&words);
    let all = words.into_iter().chain([hash as u32, (hash >> 32) as u32]);
    all.flat_map(u32::to_le_bytes).collect()
}

/// Reads a match that no later tick stumbles over.
pub(crate) fn decode(bytes: &[u8], rules: &Rules) -> Result<Board, StateError> {
    let length = StateError::Length { found: bytes.len() };
    let (words, rest) = bytes.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|it| u32::from_le_bytes(*it)).collect();
    let &[magic, schema, version, low, high, ..] = words.as_slice() else { return Err(length) };
    if magic != MAGIC {
        return Err(StateError::Magic);
    }
    if schema != SCHEMA {
        return Err(StateError::Schema { found: schema, expected: SCHEMA });
    }
    let found = u64::from(high) << 32 | u64::from(low);
    if (found, version) != (rules.hash, rules.version) {
        let (expected, expected_version) = (rules.hash, rules.version);
        let found_version = version;
        return Err(StateError::Rules { found, found_version, expected, expected_version });
    }
    let Some((words, tail)) = words.split_last_chunk::<2>().filter(|_| rest.is_empty()) else {
        return Err(length);
    };
    let expected = StateHash(u64::from(tail[1]) << 32 | u64::from(tail[0]));
    let found = hash_of(words);
    if found != expected {
        return Err(StateError::Hash { found, expected });
    }
    let mut input = Words { left: words, taken: Vec::new(), rules, length };
    let board = input.board()?;
    if input.left.is_empty() { Ok(board) } else { Err(input.length) }
}

/// The words that are left to read, and the cells that something is on already.
struct Words<'a> {
    left: &'a [u32],
    taken: Vec<Cell>,
    rules: &'a Rules,
    length: StateError,
}

impl Words<'_> {
    fn next(&mut self, what: &'static str, max: u32) -> Result<u32, StateError> {
        let (found, rest) = self.left.split_first().ok_or_else(|| self.length.clone())?;
        self.left = rest;
        if *found <= max { Ok(*found) } else { Err(StateError::Value { what, found: *found }) }
    }

    fn cell(&mut self, what: &'static str) -> Result<Cell, StateError> {
        let found = self.next(what, u32::MAX)?;
        let cell = Cell { x: found as u8, y: (found >> 8) as u8 };
        let inside = cell.x < self.rules.width && cell.y < self.rules.height;
        if !inside || packed(cell) != found || self.taken.contains(&cell) {
            return Err(StateError::Value { what, found });
        }
        self.taken.push(cell);
        Ok(cell)
    }

    fn board(&mut self) -> Result<Board, StateError> {
        self.left = &self.left[HEAD.len() - 2..];
        let tick = self.next("the tick", self.rules.time_limit_ticks)?;
        let seed = self.next("the seed", u32::MAX)?;
        let mut board = Board { tick, ..Board::new(seed) };
        for index in 0..FOOD {
            if self.left.first() == Some(&NOTHING) {
                self.left = &self.left[1..];
                continue;
            }
            let food = self.cell("a place of food")?;
            if index >= self.rules.food {
                return Err(StateError::Value { what: "a food too many", found: packed(food) });
            }
            board.food[index] = Some(food);
        }
        for seat in 0..SNAKES {
            board.snakes[seat] = self.snake()?;
        }
        Ok(board)
    }

    fn snake(&mut self) -> Result<Snake, StateError> {
        let flags = self.next("the flags of a snake", u32::MAX)?;
        let heading = |shift: u32| Heading::ALL[(flags >> shift & 3) as usize];
        let (heading, wanted) = (heading(HEADING_SHIFT), heading(WANTED_SHIFT));
        let known = TAKEN | BOT | 3 << HEADING_SHIFT | 3 << WANTED_SHIFT;
        if flags & !known != 0 || wanted.is_opposite(heading) {
            return Err(StateError::Value { what: "the flags of a snake", found: flags });
        }
        let (taken, bot) = (flags & TAKEN != 0, flags & BOT != 0);
        let growing = self.next("the growth of a snake", LENGTH_MAX as u32)?;
        let wait = self.next("the wait of a snake", self.rules.respawn_ticks)?;
        let points = self.next("points", SCORE_MAX)? as u16;
        let deaths = self.next("deaths", SCORE_MAX)? as u16;
        let length = self.next("the length of a snake", LENGTH_MAX as u32)?;
        if length > 0 && (!taken || wait > 0) {
            return Err(StateError::Value { what: "the length of a snake", found: length });
        }
        let mut snake = Snake {
            taken,
            bot,
            heading,
            wanted,
            growing,
            wait,
            points,
            deaths,
            ..Snake::default()
        };
        for _ in 0..length {
            let cell = self.cell("a cell of a snake")?;
            let beside = |it: &Cell| it.x.abs_diff(cell.x) + it.y.abs_diff(cell.y) == 1;
            if !snake.body.back().is_none_or(beside) {
                return Err(StateError::Value { what: "a cell of a snake", found: packed(cell) });
            }
            snake.body.push_back(cell);
        }
        Ok(snake)
    }
}

/// Names the word at `byte` of a state, as far as its place says what it is.
pub(crate) fn word_name(byte: usize) -> Option<String> {
    let word = byte / 4;
    if let Some(name) = HEAD.get(word) {
        return Some((*name).to_owned());
    }
    let word = word - HEAD.len();
    if word < FOOD {
        return Some(format!("food {word}"));
    }
    // Only the first snake stands at a place of its own: those after it follow its cells.
    SNAKE.get(word - FOOD).map(|it| format!("snake 0 {it}"))
}
