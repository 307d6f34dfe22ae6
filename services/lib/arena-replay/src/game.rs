//! Matches of any game, in its own worlds.
use arena_sdk::{
    Game, ImportError, PinnedRules, RulesError, SeatInputs, TickOutput, WorldError, WorldId, Worlds,
};

use crate::footer::Outcome;
use crate::header::Header;
use crate::simulation::Simulation;

/// One match that is played again.
pub struct GameMatch {
    game: &'static dyn Game,
    worlds: Box<dyn Worlds>,
    current: Option<(WorldId, PinnedRules)>,
    outputs: [TickOutput; 1],
    events: Vec<(u32, arena_sdk::Event)>,
}

/// Events kept until somebody asks: as many as a long step can bring.
const EVENTS_MAX: usize = 4_096;

/// Why a match cannot be played again.
#[derive(Debug, thiserror::Error)]
pub enum GameError {
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
    Rules(#[source] RulesError),
    /// A state that is none of this match.
    #[error("the state cannot be restored")]
    Restore(#[source] ImportError),
    /// The worlds do not step.
    #[error("the match cannot be simulated")]
    World(#[source] WorldError),
    /// Nothing was started.
    #[error("no match was started")]
    NotStarted,
}

impl GameMatch {
    /// Returns a place for one match of `game`.
    #[must_use]
    pub fn new(game: &'static dyn Game) -> Self {
        Self::on(game, game.worlds())
    }

    /// Returns a place for one match in these worlds of `game`.
    #[must_use]
    pub fn on(game: &'static dyn Game, worlds: Box<dyn Worlds>) -> Self {
        let outputs = [TickOutput::default()];
        Self { game, worlds, current: None, outputs, events: Vec::new() }
    }

    /// Returns the worlds, and which of them is the match; `None` before one was started.
    pub fn world(&mut self) -> Option<(&mut dyn Worlds, WorldId)> {
        let id = self.current.as_ref()?.0;
        Some((&mut *self.worlds, id))
    }

    /// Returns the rules of the match; `None` before one was started.
    #[must_use]
    pub fn rules(&self) -> Option<&PinnedRules> {
        self.current.as_ref().map(|it| &it.1)
    }

    /// Takes what happened since the last call, with its ticks; the oldest if there is too much.
    pub fn take_events(&mut self) -> Vec<(u32, arena_sdk::Event)> {
        std::mem::take(&mut self.events)
    }

    fn current(&self) -> Result<WorldId, GameError> {
        self.current.as_ref().map(|it| it.0).ok_or(GameError::NotStarted)
    }

    fn replace(&mut self, id: WorldId, rules: PinnedRules) -> Result<(), GameError> {
        self.events.clear();
        match self.current.replace((id, rules)) {
            Some((old, _)) => self.worlds.free(old).map_err(GameError::World),
            None => Ok(()),
        }
    }

    fn rules_of(&self, header: &Header) -> Result<PinnedRules, GameError> {
        let expected = self.game.name();
        if header.game != expected {
            return Err(GameError::Game { found: header.game.clone(), expected });
        }
        let (found, expected) = (header.schema, self.game.schema());
        if found != expected {
            return Err(GameError::Schema { found, expected });
        }
        let rules = self.game.parse_rules_text(&header.rules).map_err(GameError::Rules)?;
        match (header.rules_hash, rules.hash()) {
            (found, expected) if found != expected => Err(GameError::RulesHash { found, expected }),
            _ => Ok(rules),
        }
    }
}

impl Simulation for GameMatch {
    type Error = GameError;

    fn start(&mut self, header: &Header) -> Result<(), GameError> {
        let rules = self.rules_of(header)?;
        let id = self.worlds.create(header.seed, &rules).map_err(GameError::World)?;
        self.replace(id, rules)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), GameError> {
        let (_, rules) = self.current.clone().ok_or(GameError::NotStarted)?;
        let id = self.worlds.import(state, &rules).map_err(GameError::Restore)?;
        self.replace(id, rules)
    }

    fn tick(&self) -> Result<u32, GameError> {
        self.worlds.tick(self.current()?).map_err(GameError::World)
    }

    fn advance(&mut self, inputs: &[SeatInputs]) -> Result<(), GameError> {
        let id = self.current()?;
        for inputs in inputs {
            let stepped = self.worlds.step(&[id], std::slice::from_ref(inputs), &mut self.outputs);
            stepped.map_err(GameError::World)?;
            let [output] = &mut self.outputs;
            let room = EVENTS_MAX.saturating_sub(self.events.len());
            let tick = output.tick;
            self.events.extend(output.events.drain(..).take(room).map(|it| (tick, it)));
        }
        Ok(())
    }

    fn hash(&self) -> Result<u64, GameError> {
        Ok(self.worlds.state_hash(self.current()?).map_err(GameError::World)?.0)
    }

    fn state(&self) -> Result<Vec<u8>, GameError> {
        self.worlds.export(self.current()?).map_err(GameError::World)
    }

    fn outcome(&self) -> Result<Outcome, GameError> {
        let outcome = self.worlds.outcome(self.current()?).map_err(GameError::World)?;
        Ok(Outcome::from(&outcome))
    }

    fn word_name(&self, byte: usize) -> Option<String> {
        self.worlds.word_name(self.rules()?, byte)
    }
}

impl std::fmt::Debug for GameMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (game, backend) = (self.game.name(), self.worlds.backend());
        f.debug_struct("GameMatch")
            .field("game", &game)
            .field("backend", &backend)
            .finish_non_exhaustive()
    }
}
