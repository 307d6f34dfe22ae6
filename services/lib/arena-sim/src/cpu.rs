//! The matches of one thread, stepped by the CPU.
use crate::backend::{Backend, BackendError, ImportError, MatchHandle};
use crate::hash::{StateHash, hash_body};
use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::pool::{Pool, SLOTS_MAX};
use crate::ruleset::{Capacity, Compiled, Rules};
use crate::simd::Avx2;
use crate::slab;
use crate::snapshot;
use crate::systems::{scalar, vector};
use crate::view::WorldView;

/// How a tick is computed. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Every projectile against every player: the specification, and the baseline of benchmarks.
    BruteForce,
    /// Vectorised by the compiler for any machine of this architecture.
    Portable,
    /// The same for AVX2; falls back to [`Path::Portable`] on a machine without.
    Avx2,
}

/// Steps matches on the calling thread.
#[derive(Debug)]
pub struct CpuBackend {
    path: Path,
    avx2: Option<Avx2>,
    pools: [Pool; Capacity::ALL.len()],
    batch: u64,
}

impl CpuBackend {
    /// Returns a backend that uses the best instructions this machine has.
    #[must_use]
    pub fn new() -> Self {
        Self::with_path(Path::Avx2)
    }

    /// Returns a backend that computes along `path`.
    #[must_use]
    pub fn with_path(path: Path) -> Self {
        let avx2 = (path == Path::Avx2).then(Avx2::detect).flatten();
        let path = if path == Path::Avx2 && avx2.is_none() { Path::Portable } else { path };
        Self { path, avx2, pools: std::array::from_fn(|_| Pool::default()), batch: 0 }
    }

    /// Returns the path in use.
    #[must_use]
    pub fn path(&self) -> Path {
        self.path
    }

    fn place(&mut self, rules: &Rules) -> Result<MatchHandle, BackendError> {
        let capacity = rules.capacity();
        let pool = &mut self.pools[capacity.index()];
        let Some(slot) = pool.take(capacity) else {
            return Err(BackendError::Full { capacity, matches: SLOTS_MAX });
        };
        let entry = &mut pool.slots[slot as usize];
        entry.rules = Some(rules.clone());
        Ok(MatchHandle { capacity: capacity.index() as u8, slot, generation: entry.generation })
    }

    fn slab_mut(&mut self, handle: MatchHandle) -> &mut [u32] {
        let capacity = Capacity::ALL[usize::from(handle.capacity)];
        self.pools[usize::from(handle.capacity)].slab_mut(handle.slot, capacity)
    }

    /// Checks a handle and returns the words of its slab, without padding, and its rules.
    fn look(&self, handle: MatchHandle) -> Result<(&[u32], &Rules), BackendError> {
        let stale = BackendError::Stale { handle };
        let Some(pool) = self.pools.get(usize::from(handle.capacity)) else { return Err(stale) };
        let slot = pool.slots.get(handle.slot as usize);
        let Some(rules) =
            slot.filter(|it| it.generation == handle.generation).and_then(|it| it.rules.as_ref())
        else {
            return Err(stale);
        };
        Ok((pool.slab(handle.slot, rules.capacity()), rules))
    }

    fn check(
        &mut self,
        matches: &[MatchHandle],
        inputs: usize,
        outputs: usize,
    ) -> Result<(), BackendError> {
        if matches.len() != inputs || matches.len() != outputs {
            return Err(BackendError::Shape { matches: matches.len(), inputs, outputs });
        }
        self.batch += 1;
        for &handle in matches {
            let pool = self.pools.get_mut(usize::from(handle.capacity));
            let slot = pool.and_then(|pool| pool.slots.get_mut(handle.slot as usize));
            let live = slot.filter(|it| it.generation == handle.generation && it.rules.is_some());
            let Some(slot) = live else { return Err(BackendError::Stale { handle }) };
            if slot.batch == self.batch {
                return Err(BackendError::Twice { handle });
            }
            slot.batch = self.batch;
        }
        Ok(())
    }

    /// Steps one match; `next` is the match after it in the batch, or the same one at the end.
    fn step_one<const N: usize>(
        &mut self,
        handle: MatchHandle,
        next: MatchHandle,
        inputs: &SeatInputs,
    ) -> TickOutput {
        let (path, avx2) = (self.path, self.avx2);
        let pool = &mut self.pools[usize::from(handle.capacity)];
        let rules = pool.slots[handle.slot as usize].rules.as_ref();
        let rules: &Compiled = rules.expect("the batch was checked").compiled();
        let other = if next.capacity == handle.capacity { next.slot } else { handle.slot };
        let capacity = Capacity::ALL[usize::from(handle.capacity)];
        let (slab, next) = pool.pages.pair(handle.slot, other, capacity);
        match (path, avx2) {
            (Path::BruteForce, _) => scalar::step::<N>(slab, inputs, rules),
            (_, Some(avx2)) => avx2.step::<N>(slab, inputs, rules, next),
            _ => vector::step::<N>(slab, inputs, rules, next, vector::Portable),
        }
    }
}

impl Default for CpuBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for CpuBackend {
    fn name(&self) -> &'static str {
        match self.path {
            Path::BruteForce => "cpu-brute-force",
            Path::Portable => "cpu-portable",
            Path::Avx2 => "cpu-avx2",
        }
    }

    fn create(&mut self, seed: u32, rules: &Rules) -> Result<MatchHandle, BackendError> {
        let handle = self.place(rules)?;
        slab::begin(self.slab_mut(handle), seed, rules.capacity(), rules.compiled());
        Ok(handle)
    }

    fn free(&mut self, handle: MatchHandle) -> Result<(), BackendError> {
        self.look(handle)?;
        let pool = &mut self.pools[usize::from(handle.capacity)];
        let slot = &mut pool.slots[handle.slot as usize];
        slot.rules = None;
        // A slot whose generations are used up is never taken again, so no old handle can match.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            pool.free.push(handle.slot);
        }
        Ok(())
    }

    fn step(
        &mut self,
        matches: &[MatchHandle],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), BackendError> {
        self.check(matches, inputs.len(), outputs.len())?;
        for (i, &handle) in matches.iter().enumerate() {
            let next = matches.get(i + 1).copied().unwrap_or(handle);
            outputs[i] = match Capacity::ALL[usize::from(handle.capacity)].projectiles() {
                256 => self.step_one::<256>(handle, next, &inputs[i]),
                512 => self.step_one::<512>(handle, next, &inputs[i]),
                _ => self.step_one::<2048>(handle, next, &inputs[i]),
            };
        }
        Ok(())
    }

    fn export(&self, handle: MatchHandle) -> Result<Vec<u8>, BackendError> {
        let (words, rules) = self.look(handle)?;
        Ok(snapshot::encode(words, rules.capacity(), self.state_hash(handle)?))
    }

    fn import(&mut self, bytes: &[u8], rules: &Rules) -> Result<MatchHandle, ImportError> {
        let words = snapshot::decode(bytes, rules).map_err(ImportError::Snapshot)?;
        let handle = self.place(rules).map_err(ImportError::Backend)?;
        self.slab_mut(handle).copy_from_slice(&words);
        Ok(handle)
    }

    fn state_hash(&self, handle: MatchHandle) -> Result<StateHash, BackendError> {
        let (words, _) = self.look(handle)?;
        Ok(self.avx2.map_or_else(|| hash_body(words), |avx2| avx2.hash(words)))
    }

    fn view(&self, handle: MatchHandle) -> Result<WorldView<'_>, BackendError> {
        let (words, rules) = self.look(handle)?;
        Ok(WorldView::new(words, rules))
    }
}
