//! [`Guarded`]: matches outlive the device that steps them.
use arena_sim::{
    Backend, BackendError, Capacity, CpuBackend, ImportError, MatchHandle, Rules, SeatInputs,
    StateHash, TickOutput, WorldView,
};

use crate::backend::GpuBackend;
use crate::slots::Slots;

/// Ticks from one kept state of a match to the next: what the CPU has to play again, at most.
const KEYFRAME_TICKS: usize = 60;
/// Matches of one size class, as many as either backend takes.
const MATCHES_MAX: usize = 1 << 17;

/// Steps matches on a device; if that fails, on the CPU from then on, with the same states and outcomes.
///
/// Of every match it keeps a snapshot, never older than a second, and the inputs since. It gives out
/// handles of its own, which stay good when the matches move.
#[derive(Debug)]
pub struct Guarded {
    gpu: Option<GpuBackend>,
    cpu: CpuBackend,
    failure: Option<String>,
    guards: [Slots<Guard>; Capacity::ALL.len()],
    /// The batch in the handles of the backend that steps it.
    batch: Vec<MatchHandle>,
}

#[derive(Debug)]
struct Guard {
    /// Its handle in the backend that steps it; `None` if it did not survive the device.
    inner: Option<MatchHandle>,
    rules: Rules,
    keyframe: Vec<u8>,
    /// The inputs since.
    log: Vec<SeatInputs>,
    /// The log's length at which the next state is kept: spread, so that not all are kept in one tick.
    due: usize,
}

impl Guarded {
    /// Guards the matches of `gpu`, which has none yet.
    #[must_use]
    pub fn new(gpu: GpuBackend) -> Self {
        Self {
            gpu: Some(gpu),
            cpu: CpuBackend::new(),
            failure: None,
            guards: std::array::from_fn(|_| Slots::new(MATCHES_MAX)),
            batch: Vec::new(),
        }
    }

    fn inner(&self) -> &dyn Backend {
        match &self.gpu {
            Some(gpu) => gpu,
            None => &self.cpu,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn Backend {
        match &mut self.gpu {
            Some(gpu) => gpu,
            None => &mut self.cpu,
        }
    }

    fn look(&self, handle: MatchHandle) -> Result<MatchHandle, BackendError> {
        let guards = handle.capacity().map(|capacity| &self.guards[capacity.index()]);
        guards
            .and_then(|it| it.find(handle.slot(), handle.generation())?.inner)
            .ok_or(BackendError::Stale { handle })
    }

    /// Gives up the device: every match goes on from its kept state and the inputs since.
    fn fall_back(&mut self, reason: String) {
        self.failure = Some(reason);
        self.gpu = None;
        let mut outputs = [TickOutput::default()];
        for guard in self.guards.iter_mut().flat_map(Slots::values_mut) {
            guard.inner = self.cpu.import(&guard.keyframe, &guard.rules).ok();
            let Some(handle) = guard.inner else { continue };
            for inputs in &guard.log {
                // The batch of this one match is right: it was just imported.
                let _ = self.cpu.step(&[handle], &[*inputs], &mut outputs);
            }
            (guard.log, guard.keyframe) = (Vec::new(), Vec::new());
        }
    }

    /// Does `work` on the backend, and on the CPU if the device fails meanwhile.
    fn attempt<T, E>(
        &mut self,
        mut work: impl FnMut(&mut dyn Backend) -> Result<T, E>,
        is_lost: impl Fn(&E) -> Option<String>,
    ) -> Result<T, E> {
        match work(self.inner_mut()) {
            Err(error) if self.gpu.is_some() => match is_lost(&error) {
                Some(reason) => {
                    self.fall_back(reason);
                    work(self.inner_mut())
                }
                None => Err(error),
            },
            done => done,
        }
    }

    /// Keeps a new match's first state and gives it a handle.
    fn guard(&mut self, inner: MatchHandle, rules: &Rules) -> Result<MatchHandle, BackendError> {
        let is_watched = self.gpu.is_some();
        let keyframe = if is_watched { self.inner().export(inner)? } else { Vec::new() };
        let capacity = rules.capacity();
        let guards = &mut self.guards[capacity.index()];
        let due = 1 + guards.next().unwrap_or_default() as usize % KEYFRAME_TICKS;
        let guard =
            Guard { inner: Some(inner), rules: rules.clone(), keyframe, log: Vec::new(), due };
        if let Some((slot, generation)) = guards.insert(guard) {
            return Ok(MatchHandle::new(capacity, slot, generation));
        }
        self.inner_mut().free(inner)?;
        Err(BackendError::Full { capacity, matches: MATCHES_MAX })
    }

    /// Steps a batch by `work`, whichever backend that is on in the end.
    fn step_by(
        &mut self,
        matches: &[MatchHandle],
        mut work: impl FnMut(&mut dyn Backend, &[MatchHandle]) -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        self.translate(matches)?;
        let batch = std::mem::take(&mut self.batch);
        let done = work(self.inner_mut(), &batch);
        self.batch = batch;
        let done = match done {
            Err(BackendError::Device { reason }) if self.gpu.is_some() => {
                self.fall_back(reason);
                self.translate(matches)?;
                let batch = std::mem::take(&mut self.batch);
                let done = work(self.inner_mut(), &batch);
                self.batch = batch;
                done
            }
            done => done,
        };
        done.map_err(|error| self.in_own_handles(error, matches))
    }

    fn translate(&mut self, matches: &[MatchHandle]) -> Result<(), BackendError> {
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        for handle in matches {
            batch.push(self.look(*handle)?);
        }
        self.batch = batch;
        Ok(())
    }

    fn in_own_handles(&self, error: BackendError, matches: &[MatchHandle]) -> BackendError {
        let own = |inner: MatchHandle| {
            let place = self.batch.iter().position(|it| *it == inner);
            place.map_or(inner, |place| matches[place])
        };
        match error {
            BackendError::Twice { handle } => BackendError::Twice { handle: own(handle) },
            BackendError::Stale { handle } => BackendError::Stale { handle: own(handle) },
            other => other,
        }
    }

    /// Notes a tick's inputs, or that so many passed that the states themselves are kept.
    fn watch(
        &mut self,
        matches: &[MatchHandle],
        inputs: Option<&[SeatInputs]>,
    ) -> Result<(), BackendError> {
        let Some(gpu) = &self.gpu else { return Ok(()) };
        for (i, handle) in matches.iter().enumerate() {
            let guards = handle.capacity().map(|capacity| &mut self.guards[capacity.index()]);
            let found = guards.and_then(|it| it.find_mut(handle.slot(), handle.generation()));
            let Some(guard) = found else { continue };
            let Some(inner) = guard.inner else { continue };
            guard.log.extend(inputs.map(|inputs| inputs[i]));
            if inputs.is_none() || guard.log.len() >= guard.due {
                guard.keyframe = gpu.export(inner)?;
                guard.log.clear();
                guard.due = KEYFRAME_TICKS;
            }
        }
        Ok(())
    }
}

fn device_error(error: &BackendError) -> Option<String> {
    match error {
        BackendError::Device { reason } => Some(reason.clone()),
        _ => None,
    }
}

impl Backend for Guarded {
    fn name(&self) -> &'static str {
        self.inner().name()
    }

    fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn create(&mut self, seed: u32, rules: &Rules) -> Result<MatchHandle, BackendError> {
        let inner = self.attempt(|backend| backend.create(seed, rules), device_error)?;
        self.guard(inner, rules)
    }

    fn free(&mut self, handle: MatchHandle) -> Result<(), BackendError> {
        let guards = handle.capacity().map(|capacity| &mut self.guards[capacity.index()]);
        let guard = guards
            .and_then(|it| it.remove(handle.slot(), handle.generation()))
            .ok_or(BackendError::Stale { handle })?;
        guard.inner.map_or(Ok(()), |inner| self.inner_mut().free(inner))
    }

    fn step(
        &mut self,
        matches: &[MatchHandle],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), BackendError> {
        self.step_by(matches, |backend, batch| backend.step(batch, inputs, outputs))?;
        self.watch(matches, Some(inputs))
    }

    fn step_many(
        &mut self,
        matches: &[MatchHandle],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), BackendError> {
        self.step_by(matches, |backend, batch| backend.step_many(batch, inputs, outputs))?;
        self.watch(matches, None)
    }

    fn export(&self, handle: MatchHandle) -> Result<Vec<u8>, BackendError> {
        self.inner().export(self.look(handle)?)
    }

    fn import(&mut self, bytes: &[u8], rules: &Rules) -> Result<MatchHandle, ImportError> {
        let lost = |error: &ImportError| match error {
            ImportError::Backend(error) => device_error(error),
            ImportError::Snapshot(_) => None,
        };
        let inner = self.attempt(|backend| backend.import(bytes, rules), lost)?;
        self.guard(inner, rules).map_err(ImportError::Backend)
    }

    fn state_hash(&self, handle: MatchHandle) -> Result<StateHash, BackendError> {
        self.inner().state_hash(self.look(handle)?)
    }

    fn view(&self, handle: MatchHandle) -> Result<WorldView<'_>, BackendError> {
        self.inner().view(self.look(handle)?)
    }
}
