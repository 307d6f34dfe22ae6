//! What the simulation costs: `cargo bench -p arena-tests --bench sim`.
//!
//! The load is heavier than play: all 16 seats taken and always firing four pellets, 512 projectiles,
//! 4 096 matches, so that no match is still in the cache when its turn comes again. All times are CPU times.
#[path = "sim/load.rs"]
mod load;
#[path = "sim/measure.rs"]
mod measure;
#[path = "sim/modes.rs"]
mod modes;
#[path = "sim/replay.rs"]
mod replay;
#[path = "sim/state.rs"]
mod state;

use std::num::NonZero;
use std::thread;

use anyhow::Result;
use arena_sim::{Backend, Path, Rules};
use arena_testkit::bench::{Bench, Samples};

use load::rules;
use measure::on_cpu;

/// Matches loaded, as the target says.
const MATCHES: usize = 4_096;
/// Matches whose slabs stay in the second-level cache: what a replay of one match costs.
const MATCHES_CACHED: usize = 16;
const RUNS: usize = 7;
const TICKS_PER_SECOND: f64 = 60.0;
/// The specification, as the baseline of whatever computes the same.
const BASELINE: &str = "scalar-brute-force";

fn main() -> Result<()> {
    let mut bench = Bench::new("sim");
    let standard = rules(512)?;
    let brute = on_cpu(Path::BruteForce, &standard, MATCHES)?.measure(1)?;
    let mut load = on_cpu(Path::Avx2, &standard, MATCHES)?;
    let fast = load.measure(8)?;
    let matches = |cost_s: &Samples| cost_s.map(|it| 1.0 / (it * TICKS_PER_SECOND));

    bench.record_against(
        "matches_60hz_1core",
        "matches",
        matches(&fast),
        (BASELINE, &matches(&brute)),
    );
    bench.record("matches_60hz_all_cores", "matches", all_cores(&standard)?);
    bench.record("us_per_match_tick", "us", fast.map(|it| it * 1e6));
    bench.record("us_per_match_tick_brute", "us", brute.map(|it| it * 1e6));
    let portable = on_cpu(Path::Portable, &standard, MATCHES)?.measure(4)?;
    bench.record("us_per_match_tick_portable", "us", portable.map(|it| it * 1e6));
    let cached = on_cpu(Path::Avx2, &standard, MATCHES_CACHED)?.measure(1_000)?;
    bench.record("us_per_match_tick_cached", "us", cached.map(|it| it * 1e6));
    modes::measure(&mut bench)?;
    state::measure(&mut bench, &load, &fast)?;
    replay::measure(&mut bench)?;
    bench.record("us_per_state_hash", "us", load.measure_hash()?);
    bench.record("mean_live_projectiles", "projectiles", Samples::exact(load.mean_live()?));
    bench.record("mismatches", "match-ticks", Samples::exact(f64::from(mismatches(&standard)?)));
    bench.finish()?;
    Ok(())
}

/// Returns the matches that all cores step together, each its own share, all at the same time.
fn all_cores(rules: &Rules) -> Result<Samples> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let shares: Vec<Samples> = thread::scope(|scope| {
        let work = || on_cpu(Path::Avx2, rules, MATCHES)?.measure(8);
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
    let mut fast = on_cpu(Path::Avx2, rules, 64)?;
    let mut specification = on_cpu(Path::BruteForce, rules, 64)?;
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
