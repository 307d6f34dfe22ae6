use arena_env::Reader;
use arena_instance::{Need, Program, Threads};
use arena_sdk::Game;

/// What this program is.
pub const PROGRAM: Program = Program {
    name: "arena-config",
    needs: &[Need::Store, Need::DataDir],
    schema: &[arena_games::SCHEMAS[0]],
    threads: Threads::One,
};

/// What is set for this service alone.
#[derive(Clone, Copy, Debug)]
pub struct ConfigSettings {
    /// The game whose rules it checks.
    pub game: &'static dyn Game,
}

impl ConfigSettings {
    /// Reads it; mistakes stay in `reader`.
    #[must_use]
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let game = arena_games::read(reader)?;
        Some(Self { game })
    }
}
