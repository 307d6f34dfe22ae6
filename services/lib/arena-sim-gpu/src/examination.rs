//! All that is asked of a device, in one call at the start of a service.
use std::sync::Arc;

use arena_sim::{BackendError, Capacity, Rules};

use crate::adapter::Accept;
use crate::backend::GpuBackend;
use crate::choice::GpuFacts;
use crate::device::{Gpu, OpenError, Options};
use crate::proof::{Calibration, Mismatch, Proof, calibrate, self_test};

/// Ticks of a calibration that count.
const CALIBRATION_TICKS: u32 = 120;

/// A device that may be trusted with matches.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The device, its kernels compiled; of a software device, those that the self-test plays.
    pub gpu: Arc<Gpu>,
    /// What its self-test compared.
    pub proof: Proof,
    /// What a tick of so many matches costs there.
    pub calibration: Calibration,
}

/// Why a device must not step matches.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// There is none.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It gives other bits than the CPU.
    #[error("trust {name}")]
    Mismatch {
        /// The device's name.
        name: String,
        /// The first difference.
        source: Mismatch,
    },
    /// It failed, or has no room for so many matches.
    #[error("step {matches} matches on {name}")]
    Backend {
        /// The device's name.
        name: String,
        /// Matches of the calibration.
        matches: usize,
        /// What failed.
        source: BackendError,
    },
}

impl Examined {
    /// Returns what [`crate::choose`] must know of it.
    #[must_use]
    pub fn facts(&self) -> GpuFacts {
        let Calibration { us_per_match_tick, tick_p99_us, .. } = self.calibration;
        GpuFacts { us_per_match_tick, tick_p99_us }
    }
}

/// Opens a device, compiles its kernels, plays the self-test, and measures `matches` matches by `rules`:
/// some seconds of work, to be done before the service says that it is ready.
///
/// # Errors
/// [`Unfit`]: the CPU must step the matches then.
pub fn examine(
    accept: Accept,
    options: Options,
    rules: &Rules,
    matches: usize,
) -> Result<Examined, Unfit> {
    let gpu = Gpu::open(accept, options)?;
    let name = || gpu.facts().name.clone();
    let failed = |source| Unfit::Backend { name: name(), matches, source };
    // A software device compiles each class for seconds, and tests play those of the self-test alone.
    if accept != Accept::Software {
        GpuBackend::new(gpu.clone()).warm(&Capacity::ALL).map_err(failed)?;
    }
    let proof = self_test(&mut GpuBackend::new(gpu.clone()))
        .map_err(|source| Unfit::Mismatch { name: name(), source })?;
    let mut backend = GpuBackend::new(gpu.clone());
    let calibration = calibrate(&mut backend, rules, matches, CALIBRATION_TICKS).map_err(failed)?;
    Ok(Examined { gpu, proof, calibration })
}
