//! What keeps a match from being played again, wherever its rules, states and steps come from.
use std::error::Error;

use crate::header::Header;

/// Why a match cannot be played again.
#[derive(Debug, thiserror::Error)]
pub enum MatchError<R: Error + 'static, I: Error + 'static, S: Error + 'static> {
    /// The replay of another game.
    #[error("the replay is of the game `{found}`, this is `{expected}`")]
    Game {
        /// The replay's.
        found: String,
        /// Ours.
        expected: &'static str,
    },
    /// Recorded by a simulation that plays differently.
    #[error("the replay has state schema {found}, this simulation {expected}")]
    Schema {
        /// The replay's.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The rules in the replay are not those that its match was played by.
    #[error(
        "the replay was played by rules {found:016x}, its document is of rules {expected:016x}"
    )]
    RulesHash {
        /// The header's.
        found: u64,
        /// What its document hashes to.
        expected: u64,
    },
    /// The rules in the replay are none.
    #[error("the replay's rules cannot be read")]
    Rules(#[source] R),
    /// A state that is none of this match.
    #[error("the state cannot be restored")]
    Restore(#[source] I),
    /// What steps the match does not.
    #[error("the match cannot be simulated")]
    Step(#[source] S),
    /// Nothing was started.
    #[error("no match was started")]
    NotStarted,
}

impl<R: Error + 'static, I: Error + 'static, S: Error + 'static> MatchError<R, I, S> {
    /// Refuses the replay of another game, or of another schema of its states.
    pub(crate) fn check(header: &Header, game: &'static str, schema: u32) -> Result<(), Self> {
        if header.game != game {
            return Err(Self::Game { found: header.game.clone(), expected: game });
        }
        if header.schema != schema {
            return Err(Self::Schema { found: header.schema, expected: schema });
        }
        Ok(())
    }

    /// Refuses rules that the match was not played by; `hash` is that of the replay's document.
    pub(crate) fn check_rules(header: &Header, hash: u64) -> Result<(), Self> {
        match (header.rules_hash, hash) {
            (found, expected) if found != expected => Err(Self::RulesHash { found, expected }),
            _ => Ok(()),
        }
    }
}
