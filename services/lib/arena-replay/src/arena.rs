//! The arena's own matches, on any backend.
use arena_sim::{
    Backend, BackendError, CpuBackend, FinishReason, ImportError, MatchHandle, Rules, RulesError,
    SCHEMA, SeatInputs, TickOutput, WorldView, snapshot_word,
};

use crate::footer::{Outcome, Place};
use crate::header::Header;
use crate::match_error::MatchError;
use crate::simulation::Simulation;

/// The name of the game in a header.
pub const GAME: &str = "arena";
/// Ticks of an arena a second.
const TICK_RATE_HZ: u32 = 60;

/// One match that is played again.
#[derive(Debug)]
pub struct ArenaMatch<B> {
    backend: B,
    current: Option<(MatchHandle, Rules)>,
    output: TickOutput,
}

/// Why a match of the arena cannot be played again.
pub type ArenaError = MatchError<RulesError, ImportError, BackendError>;

impl ArenaMatch<CpuBackend> {
    /// Returns a place for one match on this machine's processor.
    #[must_use]
    pub fn on_cpu() -> Self {
        Self::new(CpuBackend::new())
    }
}

impl<B: Backend> ArenaMatch<B> {
    /// Returns a place for one match on `backend`.
    #[must_use]
    pub fn new(backend: B) -> Self {
        Self { backend, current: None, output: TickOutput::default() }
    }

    /// Returns the match as it stands; `None` before one was started.
    #[must_use]
    pub fn world(&self) -> Option<WorldView<'_>> {
        let (handle, _) = self.current.as_ref()?;
        self.backend.view(*handle).ok()
    }

    /// Returns what happened in the tick stepped last.
    #[must_use]
    pub fn output(&self) -> &TickOutput {
        &self.output
    }

    fn current(&self) -> Result<(MatchHandle, &Rules), ArenaError> {
        let (handle, rules) = self.current.as_ref().ok_or(ArenaError::NotStarted)?;
        Ok((*handle, rules))
    }

    fn replace(&mut self, handle: MatchHandle, rules: Rules) -> Result<(), ArenaError> {
        self.output = TickOutput::default();
        match self.current.replace((handle, rules)) {
            Some((old, _)) => self.backend.free(old).map_err(ArenaError::Step),
            None => Ok(()),
        }
    }
}

impl<B: Backend> Simulation for ArenaMatch<B> {
    type Error = ArenaError;

    fn start(&mut self, header: &Header) -> Result<(), ArenaError> {
        let rules = rules_of(header)?;
        let handle = self.backend.create(header.seed, &rules).map_err(ArenaError::Step)?;
        self.replace(handle, rules)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), ArenaError> {
        let rules = self.current()?.1.clone();
        let handle = self.backend.import(state, &rules).map_err(ArenaError::Restore)?;
        self.replace(handle, rules)
    }

    fn tick(&self) -> Result<u32, ArenaError> {
        self.world().map(|it| it.tick()).ok_or(ArenaError::NotStarted)
    }

    fn advance(&mut self, inputs: &[SeatInputs]) -> Result<(), ArenaError> {
        let (handle, _) = self.current()?;
        for inputs in inputs {
            let output = std::slice::from_mut(&mut self.output);
            self.backend
                .step(&[handle], std::slice::from_ref(inputs), output)
                .map_err(ArenaError::Step)?;
        }
        Ok(())
    }

    fn hash(&self) -> Result<u64, ArenaError> {
        let (handle, _) = self.current()?;
        Ok(self.backend.state_hash(handle).map_err(ArenaError::Step)?.0)
    }

    fn state(&self) -> Result<Vec<u8>, ArenaError> {
        let (handle, _) = self.current()?;
        self.backend.export(handle).map_err(ArenaError::Step)
    }

    fn outcome(&self) -> Result<Outcome, ArenaError> {
        Ok(outcome(&self.world().ok_or(ArenaError::NotStarted)?))
    }

    fn word_name(&self, byte: usize) -> Option<String> {
        snapshot_word(self.current().ok()?.1, byte)
    }
}

/// Returns the header of a match with these rules; who plays, when and where is for the caller to fill in.
#[must_use]
pub fn header(rules: &Rules, seed: u32) -> Header {
    let document = rules.to_json();
    Header {
        game: GAME.to_owned(),
        schema: SCHEMA,
        rules_version: rules.version(),
        rules_hash: rules.hash(),
        map: document["map"].as_str().unwrap_or("custom").to_owned(),
        rules: document.to_string(),
        seed,
        tick_rate_hz: TICK_RATE_HZ,
        hash_ticks: Header::HASH_TICKS,
        keyframe_ticks: Header::KEYFRAME_TICKS,
        ..Header::default()
    }
}

/// Returns how a match stands as a footer has it; the reason is empty while it runs.
#[must_use]
pub fn outcome(world: &WorldView<'_>) -> Outcome {
    let place = |it: arena_sim::Standing| Place {
        seat: it.seat.into(),
        rank: it.rank.into(),
        kills: it.kills.into(),
        deaths: it.deaths.into(),
        bot: it.bot,
    };
    Outcome {
        reason: world.finished().map_or("", reason).to_owned(),
        ended_ms: 0,
        standings: world.standings().into_iter().map(place).collect(),
        team_scores: world.team_scores().into_iter().flatten().map(u32::from).collect(),
    }
}

/// Returns the reason of an outcome.
const fn reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Time => "time",
        FinishReason::Frags => "frags",
        FinishReason::Captures => "captures",
    }
}

/// Returns the rules in a header if this build plays them as they were played.
///
/// # Errors
/// [`ArenaError::Game`], [`ArenaError::Schema`], [`ArenaError::Rules`], [`ArenaError::RulesHash`].
pub fn rules_of(header: &Header) -> Result<Rules, ArenaError> {
    ArenaError::check(header, GAME, SCHEMA)?;
    let rules = Rules::parse(&header.rules).map_err(ArenaError::Rules)?;
    ArenaError::check_rules(header, rules.hash())?;
    Ok(rules)
}
