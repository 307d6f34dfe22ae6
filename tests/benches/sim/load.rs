//! Many matches that are stepped together, always in heavier play than there is.
use anyhow::Result;
use arena_sim::{
    Backend, CpuBackend, Input, MatchHandle, PLAYERS, Rules, SeatInputs, TickOutput, buttons,
};
use serde_json::{Value, json};

/// Ticks until as many projectiles are in flight as there will be.
const WARM_UP_TICKS: u32 = 150;
/// Ticks that the prepared inputs last before they repeat.
const INPUT_TICKS: u32 = 64;

/// Returns rules that keep the ring of `projectiles` full wherever no wall stops them.
pub(crate) fn rules(projectiles: u32) -> Result<Rules> {
    rules_with(projectiles, |_| ())
}

/// Returns the same with whatever `change` makes of their document.
pub(crate) fn rules_with(projectiles: u32, change: impl FnOnce(&mut Value)) -> Result<Rules> {
    let mut document = json!({
        "version": 1, "projectiles": projectiles,
        "match": {"frag_limit": 0, "time_limit_ticks": 216_000},
        "weapon": {"pellets": projectiles / 128, "cooldown_ticks": 16, "lifetime_ticks": 128,
            "damage": 10, "spread": 8, "speed_mm_s": 20_500, "speed_jitter_mm_s": 3_700,
            "walls": "bounce"},
    });
    change(&mut document);
    Ok(Rules::from_json(&document)?)
}

/// Many matches on one backend, and what their players do.
pub(crate) struct Load<B> {
    pub(crate) backend: B,
    pub(crate) handles: Vec<MatchHandle>,
    /// `[ticks][matches]`
    pub(crate) inputs: Vec<Vec<SeatInputs>>,
    pub(crate) outputs: Vec<TickOutput>,
    tick: usize,
}

impl<B: Backend> Load<B> {
    /// Warms up on the CPU's fastest path, whose states are those of every backend, and moves.
    pub(crate) fn new(mut backend: B, rules: &Rules, matches: usize) -> Result<Self> {
        let mut warm = CpuBackend::new();
        let mut handles = Vec::with_capacity(matches);
        for seed in 0..matches {
            handles.push(warm.create(seed as u32, rules)?);
        }
        let inputs: Vec<Vec<SeatInputs>> =
            (0..INPUT_TICKS).map(|tick| inputs(matches, tick)).collect();
        let mut outputs = vec![TickOutput::default(); matches];
        let join = Input { buttons: buttons::JOIN, ..Input::default() };
        warm.step(&handles, &vec![[join; PLAYERS]; matches], &mut outputs)?;
        for tick in 0..WARM_UP_TICKS {
            warm.step(&handles, &inputs[(tick % INPUT_TICKS) as usize], &mut outputs)?;
        }
        let moved =
            handles.iter().map(|it| backend.import(&warm.export(*it)?, rules).map_err(Into::into));
        let handles = moved.collect::<Result<_>>()?;
        Ok(Self { backend, handles, inputs, outputs, tick: 0 })
    }

    pub(crate) fn step(&mut self) -> Result<()> {
        let inputs = &self.inputs[self.tick % self.inputs.len()];
        self.tick += 1;
        Ok(self.backend.step(&self.handles, inputs, &mut self.outputs)?)
    }
}

/// Returns what everyone does at `tick`: always firing, turning slowly, a new way every 16 ticks.
pub(crate) fn inputs(matches: usize, tick: u32) -> Vec<SeatInputs> {
    let input = |of: usize, seat: usize| {
        let random = arena_sim::rules::hash::rng(of as u32 + 1, tick >> 4, seat as u32, 0);
        let input = Input::unpack(random);
        let aim = input.aim.wrapping_add((tick * 3) as u8);
        Input { aim, buttons: buttons::FIRE, ..input }
    };
    (0..matches).map(|of| std::array::from_fn(|seat| input(of, seat))).collect()
}
