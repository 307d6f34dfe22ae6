//! The games that this build hosts. A studio adds its own here, and in `Cargo.toml`: nothing else names it.
//! A game that a device can step as well says so in [`choose_backend`].

mod backing;

use arena_env::{Reader, names as variables};
use arena_sdk::Game;

pub use arena_sim_gpu::{Policy, UnknownPolicy};
pub use backing::{AcceleratedWorlds, Backing, NoDeviceError, Wanted, choose_backend};

/// All of them; the first is hosted where nothing else is said.
pub static GAMES: &[&dyn Game] = &[&arena_game_arena::Arena, &arena_game_snakes::Snakes];

/// What images and instances say of the formats they read: those of the first game.
pub const SCHEMAS: [(&str, u32); 2] =
    [("rules", arena_game_arena::RULES_SCHEMA), ("state", arena_game_arena::SCHEMA)];

/// A name that no game of this build has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this build has no game `{name}`: it has {}", names().join(", "))]
pub struct UnknownGame {
    /// The name asked for.
    pub name: String,
}

/// Returns the game that is hosted where nothing else is said.
#[must_use]
pub fn standard() -> &'static dyn Game {
    GAMES[0]
}

/// Returns the game with this name.
///
/// # Errors
/// [`UnknownGame`].
pub fn find(name: &str) -> Result<&'static dyn Game, UnknownGame> {
    let found = GAMES.iter().copied().find(|it| it.name() == name);
    found.ok_or_else(|| UnknownGame { name: name.to_owned() })
}

/// Reads `ARENA_GAME`; a mistake stays in `reader`.
#[must_use]
pub fn read(reader: &mut Reader<'_>) -> Option<&'static dyn Game> {
    let name = reader.read::<String>(&variables::GAME)?;
    let found = find(&name).ok();
    if found.is_none() {
        reader.refuse(&variables::GAME, Some(name), format!("one of {}", names().join(", ")));
    }
    found
}

/// Returns their names.
#[must_use]
pub fn names() -> Vec<&'static str> {
    GAMES.iter().map(|it| it.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_game_is_found_by_its_own_name_and_no_other() {
        for game in GAMES {
            assert_eq!(find(game.name()).unwrap().name(), game.name());
        }
        let error = find("chess").unwrap_err().to_string();
        assert_eq!(error, format!("this build has no game `chess`: it has {}", names().join(", ")));
        assert_eq!(standard().name(), "arena");
    }
}
