//! [`GpuBackend`]: matches on one device.
use std::sync::Arc;

use arena_sim::{
    Backend, BackendError, Capacity, ImportError, MatchHandle, Rules, SeatInputs, StateHash,
    TickOutput, WorldView, seam,
};

use crate::device::Gpu;
use crate::pool::{Match, Pool};
use crate::rule_table::{RULES_MAX, RuleTable};

/// Steps matches on a device. Reading a match is reading its mirror and asks nothing of the device.
///
/// When the device fails, every step says [`BackendError::Device`]; [`crate::Guarded`] then plays on elsewhere.
#[derive(Debug)]
pub struct GpuBackend {
    pub(crate) gpu: Arc<Gpu>,
    pub(crate) pools: [Pool; Capacity::ALL.len()],
    pub(crate) rules: RuleTable,
    pub(crate) batch: u64,
    /// Inputs on their way up.
    pub(crate) words: Vec<u32>,
    pub(crate) traffic: Traffic,
}

/// What went between host and device to step matches; making one and auditing it are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Matches stepped, once for every tick.
    pub match_ticks: u64,
    /// Bytes sent up.
    pub up_bytes: u64,
    /// Bytes brought down.
    pub down_bytes: u64,
    /// Slabs that came down whole, because more projectiles changed in a tick than a report holds.
    pub whole_slabs: u64,
}

impl GpuBackend {
    /// Returns a backend without matches; `gpu` may be shared with others.
    #[must_use]
    pub fn new(gpu: Arc<Gpu>) -> Self {
        let rules = RuleTable::new(&gpu);
        let pools = Capacity::ALL.map(Pool::new);
        Self { gpu, pools, rules, batch: 0, words: Vec::new(), traffic: Traffic::default() }
    }

    /// Returns the device.
    #[must_use]
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Returns what went up and down so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Plays a tick of an empty match of every size class, so that no player waits for a compiler: to be
    /// done before the instance says that it is ready. It takes up to seconds.
    ///
    /// # Errors
    /// [`BackendError::Device`] if the device does not take the kernel.
    pub fn warm(&mut self, classes: &[Capacity]) -> Result<(), BackendError> {
        for capacity in classes {
            let (projectiles, drones) = (capacity.projectiles(), u8::from(capacity.has_drones()));
            let document = format!(
                r#"{{"version": 1, "projectiles": {projectiles}, "drones": {{"count": {drones}}}}}"#
            );
            let rules = Rules::parse(&document).expect("these rules are right");
            let handle = self.create(0, &rules)?;
            let mut outputs = [TickOutput::default()];
            self.step(&[handle], &[SeatInputs::default()], &mut outputs)?;
            self.free(handle)?;
        }
        Ok(())
    }

    /// Copies a match's slab from the device itself, not its mirror, as a snapshot: for audits.
    ///
    /// # Errors
    /// [`BackendError::Stale`], [`BackendError::Device`].
    pub fn export_slab(&mut self, handle: MatchHandle) -> Result<Vec<u8>, BackendError> {
        let capacity = self.find(handle)?.0.shape.capacity;
        let words = self.fetch(&[(capacity.index(), handle.slot())])?;
        let rules = &self.find(handle)?.1.rules;
        Ok(seam::encode(&words, rules, seam::hash(&words)))
    }

    pub(crate) fn find(&self, handle: MatchHandle) -> Result<(&Pool, &Match), BackendError> {
        let pool = handle.capacity().map(|capacity| &self.pools[capacity.index()]);
        pool.and_then(|pool| Some((pool, pool.slots.find(handle.slot(), handle.generation())?)))
            .ok_or(BackendError::Stale { handle })
    }

    fn mirror(&self, handle: MatchHandle) -> Result<(&[u32], &Match), BackendError> {
        let (pool, found) = self.find(handle)?;
        let (page, at) = pool.locate(handle.slot());
        Ok((pool.pages[page].mirror(&pool.shape, at), found))
    }

    /// Places a match whose slab `fill` writes.
    fn place(
        &mut self,
        rules: &Rules,
        fill: impl FnOnce(&mut [u32]),
    ) -> Result<MatchHandle, BackendError> {
        self.gpu.check()?;
        let Some(table) = self.rules.take(&self.gpu, rules) else {
            return Err(BackendError::TooManyRules { limit: RULES_MAX });
        };
        let new = Match { rules: rules.clone(), table, batch: 0, hash: None };
        let pool = &mut self.pools[rules.capacity().index()];
        let placed = pool.place(&self.gpu, &self.rules.buffer, new);
        let handle = placed.inspect_err(|_| self.rules.release(table))?;
        let (page, at) = pool.locate(handle.slot());
        fill(pool.pages[page].mirror_mut(&pool.shape, at));
        pool.pages[page].upload(&self.gpu, &pool.shape, at);
        Ok(handle)
    }
}

impl Backend for GpuBackend {
    fn name(&self) -> &'static str {
        "gpu-vulkan"
    }

    fn create(&mut self, seed: u32, rules: &Rules) -> Result<MatchHandle, BackendError> {
        self.place(rules, |slab| seam::begin(slab, seed, rules))
    }

    fn free(&mut self, handle: MatchHandle) -> Result<(), BackendError> {
        let table = self.find(handle)?.1.table;
        if let Some(capacity) = handle.capacity() {
            self.pools[capacity.index()].slots.remove(handle.slot(), handle.generation());
        }
        self.rules.release(table);
        Ok(())
    }

    fn step(
        &mut self,
        matches: &[MatchHandle],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), BackendError> {
        self.step_once(matches, inputs, outputs)
    }

    fn step_many(
        &mut self,
        matches: &[MatchHandle],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), BackendError> {
        self.catch_up(matches, inputs, outputs)
    }

    fn export(&self, handle: MatchHandle) -> Result<Vec<u8>, BackendError> {
        let (slab, found) = self.mirror(handle)?;
        Ok(seam::encode(slab, &found.rules, self.state_hash(handle)?))
    }

    fn import(&mut self, bytes: &[u8], rules: &Rules) -> Result<MatchHandle, ImportError> {
        let words = seam::decode(bytes, rules).map_err(ImportError::Snapshot)?;
        self.place(rules, |slab| slab.copy_from_slice(&words)).map_err(ImportError::Backend)
    }

    fn state_hash(&self, handle: MatchHandle) -> Result<StateHash, BackendError> {
        let (slab, found) = self.mirror(handle)?;
        Ok(found.hash.unwrap_or_else(|| seam::hash(slab)))
    }

    fn view(&self, handle: MatchHandle) -> Result<WorldView<'_>, BackendError> {
        let (slab, found) = self.mirror(handle)?;
        Ok(seam::view(slab, &found.rules))
    }
}
