//! Snakes on a grid, two to eight: a whole game in a few hundred lines, to plug in one's own by.
//!
//! Each snake moves a cell at a time; food makes it longer and is a point. Who runs into a wall or a snake dies,
//! waits, and starts anew; whoever owned the body in the way gets points. `docs/games.md` walks through it.

mod board;
mod bots;
mod random;
mod rules;
mod state;
mod view;
mod worlds;

use arena_sdk::{Game, PinnedRules, RulesError, Worlds};
use serde_json::Value;

/// Its name.
const NAME: &str = "snakes";
/// Grows when the layout of a state or any rule changes.
const SCHEMA: u32 = 1;
/// Snakes of a match, at most.
const SNAKES: usize = 8;

/// Snakes.
#[derive(Clone, Copy, Debug)]
pub struct Snakes;

impl Game for Snakes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema(&self) -> u32 {
        SCHEMA
    }

    fn rules_schema(&self) -> u32 {
        1
    }

    fn seats_max(&self) -> usize {
        SNAKES
    }

    fn parse_rules(&self, document: &Value) -> Result<PinnedRules, RulesError> {
        rules::parse(document)
    }

    fn rules_json_schema(&self) -> Value {
        rules::json_schema()
    }

    fn worlds(&self) -> Box<dyn Worlds> {
        Box::new(worlds::SnakeWorlds::default())
    }
}

#[cfg(test)]
mod tests;
