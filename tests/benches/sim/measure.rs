//! What a load costs on the CPU.
use std::hint::black_box;

use anyhow::Result;
use arena_sim::{Backend as _, CpuBackend, Path, Rules};
use arena_testkit::bench::{Samples, thread_cpu_seconds};

use crate::RUNS;
use crate::load::Load;

/// Many matches along one path of the CPU.
pub(crate) fn on_cpu(path: Path, rules: &Rules, matches: usize) -> Result<Load<CpuBackend>> {
    Load::new(CpuBackend::with_path(path), rules, matches)
}

impl Load<CpuBackend> {
    /// Returns CPU seconds a match and tick, each run averaged over `ticks`.
    pub(crate) fn measure(&mut self, ticks: u32) -> Result<Samples> {
        let mut runs = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let mut stepped = Ok(());
            let spent = thread_cpu_seconds(|| {
                stepped = (0..ticks).try_for_each(|_| self.step());
            });
            stepped?;
            runs.push(spent / f64::from(ticks) / self.handles.len() as f64);
        }
        Ok(Samples::new(runs))
    }

    /// Returns CPU microseconds a state hash.
    pub(crate) fn measure_hash(&self) -> Result<Samples> {
        let mut runs = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let mut hashed = Ok(());
            let spent = thread_cpu_seconds(|| {
                hashed = self.handles.iter().try_for_each(|handle| {
                    self.backend.state_hash(*handle).map(|it| {
                        black_box(it);
                    })
                });
            });
            hashed?;
            runs.push(spent * 1e6 / self.handles.len() as f64);
        }
        Ok(Samples::new(runs))
    }

    pub(crate) fn mean_live(&self) -> Result<f64> {
        let mut live = 0;
        for handle in &self.handles {
            live += self.backend.view(*handle)?.projectiles().count();
        }
        Ok(live as f64 / self.handles.len() as f64)
    }
}
