//! What is asked of a device before it is trusted with matches: the right bits, and how fast.
use std::time::Instant;

use arena_sim::rules::hash::rng;
use arena_sim::seam::wild_inputs;
use arena_sim::{
    Backend, BackendError, CpuBackend, Input, MatchHandle, PLAYERS, Rules, SeatInputs, TickOutput,
    buttons,
};

/// Matches of a self-test, dealt out over [`COURSES`].
const MATCHES: usize = 64;
/// Their ticks.
const TICKS: u32 = 256;
/// States are compared whenever the ticks are a multiple of this, and at the end.
const HASH_EVERY_TICKS: u32 = 16;

/// Rules that between them use every part of the kernel, and its three sizes.
const COURSES: [&str; 4] = [
    r#"{"version": 1}"#,
    r#"{"version": 1, "map": "rooms", "match": {"frag_limit": 0},
        "weapon": {"pellets": 6, "spread": 20, "speed_jitter_mm_s": 6000, "walls": "bounce"},
        "pickups": {"count": 16, "respawn_ticks": 60}}"#,
    r#"{"version": 1, "projectiles": 2048, "map": "fort",
        "match": {"mode": "capture", "capture_limit": 0}, "weapon": {"pellets": 8, "spread": 12},
        "pickups": {"count": 16, "respawn_ticks": 120}, "drones": {"count": 64}}"#,
    r#"{"version": 1, "projectiles": 256, "map": "rooms",
        "match": {"mode": "team", "frag_limit": 0}, "drones": {"count": 20, "respawn_ticks": 30},
        "weapon": {"pellets": 3, "spread": 20, "walls": "bounce"}}"#,
];

/// That a backend gave the bits of the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Outcomes that were compared.
    pub match_ticks: u64,
    /// States that were compared.
    pub states: u64,
}

/// Why a backend must not step matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// An outcome or a state is not that of the CPU.
    #[error("{what} of match {match_index} at tick {tick} is not that of the CPU")]
    Differs {
        /// What was compared.
        what: &'static str,
        /// Which match of the self-test.
        match_index: usize,
        /// The tick.
        tick: u32,
    },
    /// It does not even step.
    #[error("play the self-test")]
    Backend(#[from] BackendError),
}

/// What stepping costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Matches of each tick.
    pub matches: usize,
    /// A match-tick, in microseconds: the median tick.
    pub us_per_match_tick: f64,
    /// All but one in a hundred ticks took less, in microseconds.
    pub tick_p99_us: f64,
}

/// Plays 64 matches by many rules for 256 ticks beside the CPU and compares every outcome and, every 16
/// ticks, every state. It takes less than a second on a device that is worth having.
///
/// # Errors
/// [`Mismatch`]: the first difference; the backend must not be used then.
pub fn self_test(backend: &mut dyn Backend) -> Result<Proof, Mismatch> {
    prove(backend, MATCHES, TICKS)
}

pub(crate) fn prove(
    backend: &mut dyn Backend,
    matches: usize,
    ticks: u32,
) -> Result<Proof, Mismatch> {
    let mut cpu = CpuBackend::new();
    let rules = COURSES.map(|document| Rules::parse(document).expect("a test parses these rules"));
    let of = |i: usize| (i as u32 + 1, &rules[i % COURSES.len()]);
    let mut theirs = Vec::with_capacity(matches);
    let mut ours = Vec::with_capacity(matches);
    for (seed, rules) in (0..matches).map(of) {
        theirs.push(backend.create(seed, rules)?);
        ours.push(cpu.create(seed, rules)?);
    }
    let mut proof = Proof { match_ticks: 0, states: 0 };
    let mut outputs = [vec![TickOutput::default(); matches], vec![TickOutput::default(); matches]];
    for tick in 0..ticks {
        let inputs: Vec<SeatInputs> =
            (0..matches).map(|i| wild_inputs(i as u32 + 1, tick)).collect();
        let [their, our] = &mut outputs;
        backend.step(&theirs, &inputs, their)?;
        cpu.step(&ours, &inputs, our)?;
        let differs = |what, match_index| Mismatch::Differs { what, match_index, tick: tick + 1 };
        if let Some(i) = (0..matches).find(|i| their[*i] != our[*i]) {
            return Err(differs("the outcome", i));
        }
        proof.match_ticks += matches as u64;
        if (tick + 1).is_multiple_of(HASH_EVERY_TICKS) {
            for i in 0..matches {
                if backend.state_hash(theirs[i])? != cpu.state_hash(ours[i])? {
                    return Err(differs("the state", i));
                }
            }
            proof.states += matches as u64;
        }
    }
    for handle in theirs {
        backend.free(handle)?;
    }
    Ok(proof)
}

/// Steps `matches` matches by `rules`, all seats taken and firing, for `ticks` ticks, and says what that
/// costs, after as many ticks that are not counted.
///
/// # Errors
/// What the backend says; its matches are freed only if it steps.
pub fn calibrate(
    backend: &mut dyn Backend,
    rules: &Rules,
    matches: usize,
    ticks: u32,
) -> Result<Calibration, BackendError> {
    let handles: Vec<MatchHandle> =
        (0..matches).map(|i| backend.create(i as u32, rules)).collect::<Result<_, _>>()?;
    let mut outputs = vec![TickOutput::default(); matches];
    let mut spans_us = Vec::with_capacity(ticks as usize);
    for tick in 0..2 * ticks {
        let inputs: Vec<SeatInputs> = (0..matches).map(|i| busy_inputs(i as u32, tick)).collect();
        let begun = Instant::now();
        backend.step(&handles, &inputs, &mut outputs)?;
        if tick >= ticks {
            spans_us.push(begun.elapsed().as_secs_f64() * 1e6);
        }
    }
    for handle in handles {
        backend.free(handle)?;
    }
    spans_us.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = spans_us.len().saturating_sub(1);
        spans_us.get((last as f64 * share) as usize).copied().unwrap_or_default()
    };
    let us_per_match_tick = at(0.5) / matches.max(1) as f64;
    Ok(Calibration { matches, us_per_match_tick, tick_p99_us: at(0.99) })
}

/// Everyone plays and fires.
fn busy_inputs(seed: u32, tick: u32) -> SeatInputs {
    let mut inputs = [Input::default(); PLAYERS];
    for (p, input) in inputs.iter_mut().enumerate() {
        *input = Input::unpack(rng(seed, tick >> 4, p as u32, 7));
        input.buttons = if tick == 0 { buttons::JOIN } else { buttons::FIRE };
    }
    inputs
}
