use arena_env::Reader;
use arena_instance::{Need, Program, Threads};

/// What this program is.
pub const PROGRAM: Program = Program {
    name: "arena-config",
    needs: &[Need::Store, Need::DataDir],
    schema: &[("rules", arena_sim::Rules::schema())],
    threads: Threads::One,
};

/// What is set for this service alone: nothing so far.
#[derive(Clone, Copy, Debug)]
pub struct ConfigSettings;

impl ConfigSettings {
    /// Reads it.
    #[must_use]
    pub fn read(_: &mut Reader<'_>) -> Option<Self> {
        Some(Self)
    }
}
