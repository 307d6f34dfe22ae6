//! The simulation as a whole, through its public face.
use crate::{
    Backend, CpuBackend, Input, MatchHandle, PLAYERS, Path, Rules, SeatInputs, TickOutput,
    WorldView, buttons,
};

mod golden;
mod matches;
mod modes;
mod parity;
mod restore;
mod ruleset;
mod vectors;

/// One match on a backend of its own.
pub(crate) struct Arena {
    pub(crate) backend: CpuBackend,
    pub(crate) handle: MatchHandle,
}

impl Arena {
    pub(crate) fn new(path: Path, rules: &Rules, seed: u32) -> Self {
        let mut backend = CpuBackend::with_path(path);
        let handle = backend.create(seed, rules).unwrap();
        Self { backend, handle }
    }

    /// Returns a match whose seats are all taken by bots.
    pub(crate) fn with_bots(rules: &Rules, seed: u32) -> Self {
        let mut arena = Self::new(Path::Avx2, rules, seed);
        let join = Input { buttons: buttons::JOIN | buttons::BOT, ..Input::default() };
        arena.step(&[join; PLAYERS]);
        arena
    }

    pub(crate) fn world(&self) -> WorldView<'_> {
        self.backend.view(self.handle).unwrap()
    }

    pub(crate) fn step(&mut self, inputs: &SeatInputs) -> TickOutput {
        let mut outputs = [TickOutput::default()];
        self.backend.step(&[self.handle], &[*inputs], &mut outputs).unwrap();
        outputs[0]
    }

    pub(crate) fn tick(&mut self, policy: impl Fn(&WorldView<'_>, u8, u32) -> Input) -> TickOutput {
        let world = self.world();
        let inputs = std::array::from_fn(|p| policy(&world, p as u8, world.tick()));
        self.step(&inputs)
    }
}
