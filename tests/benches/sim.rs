//! What the simulation costs: `cargo bench -p arena-tests --bench sim`.
//!
//! The load is heavier than play: all 16 seats taken and always firing four pellets, 512 projectiles,
//! 4 096 matches, so that no match is still in the cache when its turn comes again.
#[path = "sim/replay.rs"]
mod replay;

use std::hint::black_box;
use std::num::NonZero;
use std::thread;

use anyhow::Result;
use arena_sim::{
    Backend, CpuBackend, Input, MatchHandle, PLAYERS, Path, Rules, SeatInputs, TickOutput, buttons,
};
use arena_testkit::bench::{Bench, Samples, thread_cpu_seconds};

/// Matches loaded, as the target says.
const MATCHES: usize = 4_096;
/// Matches whose slabs stay in the second-level cache: what a replay of one match costs.
const MATCHES_CACHED: usize = 16;
/// Ticks until as many projectiles are in flight as there will be.
const WARM_UP_TICKS: u32 = 150;
/// Ticks that the prepared inputs last before they repeat.
const INPUT_TICKS: u32 = 64;
const RUNS: usize = 7;
const TICKS_PER_SECOND: f64 = 60.0;

fn main() -> Result<()> {
    let mut bench = Bench::new("sim");
    let standard = rules(512)?;
    let brute = Load::new(Path::BruteForce, &standard, MATCHES)?.measure(1)?;
    let mut load = Load::new(Path::Avx2, &standard, MATCHES)?;
    let fast = load.measure(8)?;
    let matches = |cost_s: &Samples| cost_s.map(|it| 1.0 / (it * TICKS_PER_SECOND));
    let baseline = "scalar-brute-force";

    bench.record_against(
        "matches_60hz_1core",
        "matches",
        matches(&fast),
        (baseline, &matches(&brute)),
    );
    bench.record("matches_60hz_all_cores", "matches", all_cores(&standard)?);
    bench.record("us_per_match_tick", "us", fast.map(|it| it * 1e6));
    bench.record("us_per_match_tick_brute", "us", brute.map(|it| it * 1e6));
    let portable = Load::new(Path::Portable, &standard, MATCHES)?.measure(4)?;
    bench.record("us_per_match_tick_portable", "us", portable.map(|it| it * 1e6));
    let cached = Load::new(Path::Avx2, &standard, MATCHES_CACHED)?.measure(1_000)?;
    bench.record("us_per_match_tick_cached", "us", cached.map(|it| it * 1e6));
    replay::measure(&mut bench)?;
    for (metric, n) in [("us_per_match_tick_n256", 256), ("us_per_match_tick_n2048", 2_048)] {
        let cost = Load::new(Path::Avx2, &rules(n)?, MATCHES)?.measure(4)?;
        bench.record(metric, "us", cost.map(|it| it * 1e6));
    }
    bench.record("us_per_state_hash", "us", load.measure_hash()?);
    bench.record("mean_live_projectiles", "projectiles", Samples::exact(load.mean_live()?));
    let snapshot = load.backend.export(load.handles[0])?;
    bench.record("snapshot_bytes", "bytes", Samples::exact(snapshot.len() as f64));
    bench.record("mismatches", "match-ticks", Samples::exact(f64::from(mismatches(&standard)?)));
    bench.finish()?;
    Ok(())
}

/// Returns rules that keep the ring of `projectiles` full wherever no wall stops them.
fn rules(projectiles: u32) -> Result<Rules> {
    let pellets = projectiles / 128;
    let document = format!(
        r#"{{"version": 1, "projectiles": {projectiles},
            "match": {{"frag_limit": 0, "time_limit_ticks": 216000}},
            "weapon": {{"pellets": {pellets}, "cooldown_ticks": 16, "lifetime_ticks": 128, "damage": 10,
                "spread": 8, "speed_mm_s": 20500, "speed_jitter_mm_s": 3700, "walls": "bounce"}}}}"#
    );
    Ok(Rules::parse(&document)?)
}

/// Many matches on one backend, and what their players do.
struct Load {
    backend: CpuBackend,
    handles: Vec<MatchHandle>,
    /// `[ticks][matches]`
    inputs: Vec<Vec<SeatInputs>>,
    outputs: Vec<TickOutput>,
    tick: usize,
}

impl Load {
    fn new(path: Path, rules: &Rules, matches: usize) -> Result<Self> {
        // Warming up with the specification itself would take minutes; all paths give the same state.
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
        let mut backend = CpuBackend::with_path(path);
        let moved =
            handles.iter().map(|it| backend.import(&warm.export(*it)?, rules).map_err(Into::into));
        let handles = moved.collect::<Result<_>>()?;
        Ok(Self { backend, handles, inputs, outputs, tick: 0 })
    }

    fn step(&mut self) -> Result<()> {
        let inputs = &self.inputs[self.tick % self.inputs.len()];
        self.tick += 1;
        Ok(self.backend.step(&self.handles, inputs, &mut self.outputs)?)
    }

    /// Returns CPU seconds a match and tick, each run averaged over `ticks`.
    fn measure(&mut self, ticks: u32) -> Result<Samples> {
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
    fn measure_hash(&self) -> Result<Samples> {
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

    fn mean_live(&self) -> Result<f64> {
        let mut live = 0;
        for handle in &self.handles {
            live += self.backend.view(*handle)?.projectiles().count();
        }
        Ok(live as f64 / self.handles.len() as f64)
    }
}

/// Returns what everyone does at `tick`: always firing, turning slowly, a new way every 16 ticks.
fn inputs(matches: usize, tick: u32) -> Vec<SeatInputs> {
    let input = |of: usize, seat: usize| {
        let random = arena_sim::rules::hash::rng(of as u32 + 1, tick >> 4, seat as u32, 0);
        let input = Input::unpack(random);
        let aim = input.aim.wrapping_add((tick * 3) as u8);
        Input { aim, buttons: buttons::FIRE, ..input }
    };
    (0..matches).map(|of| std::array::from_fn(|seat| input(of, seat))).collect()
}

/// Returns the matches that all cores step together, each its own share, all at the same time.
fn all_cores(rules: &Rules) -> Result<Samples> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let shares: Vec<Samples> = thread::scope(|scope| {
        let work = || Load::new(Path::Avx2, rules, MATCHES)?.measure(8);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|it| it.join().expect("a measuring thread does not panic"))
            .collect::<Result<_>>()
    })?;
    let rate = |cost_s: f64| 1.0 / (cost_s * TICKS_PER_SECOND);
    let medians: f64 = shares.iter().map(|it| rate(it.median())).sum();
    let least: f64 = shares.iter().map(|it| rate(it.spread()[1])).sum();
    let most: f64 = shares.iter().map(|it| rate(it.spread()[0])).sum();
    Ok(Samples::new(vec![least, medians, most]))
}

/// Counts match-ticks where the fast path and the specification differ in state or output.
fn mismatches(rules: &Rules) -> Result<u32> {
    let mut fast = Load::new(Path::Avx2, rules, 64)?;
    let mut specification = Load::new(Path::BruteForce, rules, 64)?;
    let mut found = 0;
    for _ in 0..600 {
        fast.step()?;
        specification.step()?;
        for i in 0..fast.handles.len() {
            let states = (
                fast.backend.state_hash(fast.handles[i])?,
                specification.backend.state_hash(specification.handles[i])?,
            );
            found += u32::from(states.0 != states.1 || fast.outputs[i] != specification.outputs[i]);
        }
    }
    Ok(found)
}
