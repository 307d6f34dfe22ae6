//! The arena itself as a game of the service: `arena-sim` steps it, `arena_wire::play` has its frames.

mod rules;
mod shots;
mod sight;
mod worlds;

use arena_sdk::{Game, PinnedRules, RulesError, Worlds};
use arena_sim::{CpuBackend, Path, Rules};
use serde_json::Value;

pub use sight::{own_view, player_view};
pub use worlds::ArenaWorlds;

/// Its name.
pub const NAME: &str = "arena";

/// The schema of its states.
pub const SCHEMA: u32 = arena_sim::SCHEMA;
/// The schema of its rules' documents.
pub const RULES_SCHEMA: u32 = Rules::schema();

/// The arena.
#[derive(Clone, Copy, Debug)]
pub struct Arena;

impl Game for Arena {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema(&self) -> u32 {
        SCHEMA
    }

    fn rules_schema(&self) -> u32 {
        RULES_SCHEMA
    }

    fn seats_max(&self) -> usize {
        arena_sim::PLAYERS
    }

    fn parse_rules(&self, document: &Value) -> Result<PinnedRules, RulesError> {
        rules::parse(document)
    }

    fn rules_json_schema(&self) -> Value {
        Rules::json_schema()
    }

    fn worlds(&self) -> Box<dyn Worlds> {
        Box::new(ArenaWorlds::on_cpu())
    }

    /// The specification: every projectile against every player.
    fn other_worlds(&self) -> Box<dyn Worlds> {
        Box::new(ArenaWorlds::on(Box::new(CpuBackend::with_path(Path::BruteForce))))
    }
}

#[cfg(test)]
mod tests {
    arena_sdk::conformance!(crate::Arena);
}
