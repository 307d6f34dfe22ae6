//! Matches of any game, in its own worlds.
use arena_sdk::{
    Game, ImportError, PinnedRules, RulesError, SeatInputs, TickOutput, WorldError, WorldId, Worlds,
};

use crate::footer::Outcome;
use crate::header::Header;
use crate::match_error::MatchError;
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

/// Why a match of a game cannot be played again.
pub type GameError = MatchError<RulesError, ImportError, WorldError>;

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
            Some((old, _)) => self.worlds.free(old).map_err(GameError::Step),
            None => Ok(()),
        }
    }

    fn rules_of(&self, header: &Header) -> Result<PinnedRules, GameError> {
        GameError::check(header, self.game.name(), self.game.schema())?;
        let rules = self.game.parse_rules_text(&header.rules).map_err(GameError::Rules)?;
        GameError::check_rules(header, rules.hash())?;
        Ok(rules)
    }
}

impl Simulation for GameMatch {
    type Error = GameError;

    fn start(&mut self, header: &Header) -> Result<(), GameError> {
        let rules = self.rules_of(header)?;
        let id = self.worlds.create(header.seed, &rules).map_err(GameError::Step)?;
        self.replace(id, rules)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), GameError> {
        let (_, rules) = self.current.clone().ok_or(GameError::NotStarted)?;
        let id = self.worlds.import(state, &rules).map_err(GameError::Restore)?;
        self.replace(id, rules)
    }

    fn tick(&self) -> Result<u32, GameError> {
        self.worlds.tick(self.current()?).map_err(GameError::Step)
    }

    fn advance(&mut self, inputs: &[SeatInputs]) -> Result<(), GameError> {
        let id = self.current()?;
        for inputs in inputs {
            let stepped = self.worlds.step(&[id], std::slice::from_ref(inputs), &mut self.outputs);
            stepped.map_err(GameError::Step)?;
            let [output] = &mut self.outputs;
            let room = EVENTS_MAX.saturating_sub(self.events.len());
            let tick = output.tick;
            self.events.extend(output.events.drain(..).take(room).map(|it| (tick, it)));
        }
        Ok(())
    }

    fn hash(&self) -> Result<u64, GameError> {
        Ok(self.worlds.state_hash(self.current()?).map_err(GameError::Step)?.0)
    }

    fn state(&self) -> Result<Vec<u8>, GameError> {
        self.worlds.export(self.current()?).map_err(GameError::Step)
    }

    fn outcome(&self) -> Result<Outcome, GameError> {
        let outcome = self.worlds.outcome(self.current()?).map_err(GameError::Step)?;
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
