//! What the simulation costs on a GPU: `cargo bench -p arena-tests --bench gpu`.
//!
//! The load is that of the bench `sim`. Where there is no graphics card, it runs on Mesa's software device, and
//! the table's first line says so: its ticks are computed by this machine's processor, so that only
//! bytes, host time and mismatches say anything about a real one.
#[path = "sim/load.rs"]
mod load;

use std::time::Instant;

use anyhow::Result;
use arena_sim::{Backend, Capacity, CpuBackend, MatchHandle, Rules, TickOutput};
use arena_sim_gpu::{Accept, AdapterKind, Gpu, GpuBackend, Options};
use arena_testkit::bench::{Bench, Samples, thread_cpu_seconds};
use load::{Load, rules, rules_with};
use serde_json::json;

const RUNS: usize = 5;
/// Matches on a graphics card; the software device is given fewer.
const MATCHES: usize = 16_384;
const MATCHES_IN_SOFTWARE: usize = 128;

fn main() -> Result<()> {
    let mut bench = Bench::new("gpu");
    let gpu = Gpu::open(Accept::Software, Options::default())?;
    bench.on(gpu.facts());
    let is_software = gpu.facts().kind == AdapterKind::Software;
    let (matches, ticks) = if is_software { (MATCHES_IN_SOFTWARE, 4) } else { (MATCHES, 60) };
    let begun = Instant::now();
    GpuBackend::new(gpu.clone()).warm(&Capacity::ALL[2..3])?;
    let first_ms = begun.elapsed().as_secs_f64() * 1e3;
    bench.record("first_dispatch_ms", "ms", Samples::exact(first_ms));

    let standard = rules(512)?;
    let mut load = Load::new(GpuBackend::new(gpu.clone()), &standard, matches)?;
    bench.record("matches", "matches", Samples::exact(matches as f64));
    let before = load.backend.traffic();
    let spent = load.measure(ticks)?;
    bench.record("us_per_match_tick", "us", spent.wall.map(|it| it * 1e6));
    let mut cpu = Load::new(CpuBackend::new(), &standard, matches)?;
    let cost = cpu.measure(ticks)?;
    let host = spent.thread.map(|it| it * 1e6);
    let baseline = ("cpu-avx2", &cost.thread.map(|it| it * 1e6));
    bench.record_against("host_us_per_match_tick", "us", host, baseline);
    let traffic = load.backend.traffic();
    let each = (traffic.match_ticks - before.match_ticks) as f64;
    let share = |count: u64| Samples::exact(count as f64 / each);
    bench.record("up_bytes_per_match_tick", "bytes", share(traffic.up_bytes - before.up_bytes));
    bench.record(
        "down_bytes_per_match_tick",
        "bytes",
        share(traffic.down_bytes - before.down_bytes),
    );
    let whole = traffic.whole_slabs - before.whole_slabs;
    bench.record("whole_slabs_per_match_tick", "slabs", share(whole));
    bench.record("us_per_match_tick_caught_up", "us", load.measure_catch_up(ticks)?);
    bench.record("mirror_export_us", "us", load.measure_each(|it, handle| it.export(handle))?);
    bench.record("slab_export_us", "us", load.measure_each(GpuBackend::export_slab)?);
    bench.record("import_us", "us", load.measure_import(&standard)?);
    for (metric, matches) in [("tick_us_m1", 1), ("tick_us_m16", 16), ("tick_us_m64", 64)] {
        let mut load = Load::new(GpuBackend::new(gpu.clone()), &standard, matches)?;
        let spent = load.measure(ticks)?;
        bench.record(metric, "us", spent.wall.map(|it| it * 1e6 * matches as f64));
    }
    for (metric, projectiles, drones) in [
        ("us_per_match_tick_n256", 256, 0),
        ("us_per_match_tick_n2048", 2_048, 0),
        ("us_per_match_tick_n2048_drones", 2_048, 64),
    ] {
        let rules = rules_with(projectiles, |it| it["drones"] = json!({"count": drones}))?;
        let mut load = Load::new(GpuBackend::new(gpu.clone()), &rules, matches)?;
        bench.record(metric, "us", load.measure(ticks)?.wall.map(|it| it * 1e6));
    }
    let (compared, found) = mismatches(GpuBackend::new(gpu), &standard)?;
    bench.record("match_ticks_compared", "match-ticks", Samples::exact(f64::from(compared)));
    bench.record("mismatches", "match-ticks", Samples::exact(f64::from(found)));
    bench.finish()?;
    Ok(())
}

/// Seconds a match and tick: as the clock says, and of this thread alone.
struct Spent {
    wall: Samples,
    thread: Samples,
}

impl<B: Backend> Load<B> {
    fn measure(&mut self, ticks: u32) -> Result<Spent> {
        let each = f64::from(ticks) * self.handles.len() as f64;
        let (mut wall, mut thread) = (Vec::with_capacity(RUNS), Vec::with_capacity(RUNS));
        for _ in 0..RUNS {
            let mut stepped = Ok(());
            let begun = Instant::now();
            let spent = thread_cpu_seconds(|| {
                stepped = (0..ticks).try_for_each(|_| self.step());
            });
            stepped?;
            wall.push(begun.elapsed().as_secs_f64() / each);
            thread.push(spent / each);
        }
        Ok(Spent { wall: Samples::new(wall), thread: Samples::new(thread) })
    }

    /// Returns microseconds a match-tick where many ticks go in one call.
    fn measure_catch_up(&mut self, ticks: u32) -> Result<Samples> {
        let ticks = (ticks * 4) as usize;
        let inputs: Vec<_> = self.inputs.iter().take(ticks).flatten().copied().collect();
        let mut outputs = vec![TickOutput::default(); inputs.len()];
        let mut runs = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let begun = Instant::now();
            self.backend.step_many(&self.handles, &inputs, &mut outputs)?;
            runs.push(begun.elapsed().as_secs_f64() * 1e6 / inputs.len() as f64);
        }
        Ok(Samples::new(runs))
    }

    /// Returns microseconds of one call, averaged over all matches.
    fn measure_each<T, E>(
        &mut self,
        mut call: impl FnMut(&mut B, MatchHandle) -> Result<T, E>,
    ) -> Result<Samples>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let mut runs = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let begun = Instant::now();
            for handle in &self.handles {
                std::hint::black_box(call(&mut self.backend, *handle)?);
            }
            runs.push(begun.elapsed().as_secs_f64() * 1e6 / self.handles.len() as f64);
        }
        Ok(Samples::new(runs))
    }

    /// Returns microseconds to make a match of bytes and to free it.
    fn measure_import(&mut self, rules: &Rules) -> Result<Samples> {
        let bytes = self.backend.export(self.handles[0])?;
        self.measure_each(|backend, _| {
            let handle = backend.import(&bytes, rules)?;
            backend.free(handle).map_err(arena_sim::ImportError::Backend)
        })
    }
}

/// Returns the match-ticks that were compared with the CPU's, and those that differed.
fn mismatches(gpu: GpuBackend, rules: &Rules) -> Result<(u32, u32)> {
    let mut gpu = Load::new(gpu, rules, 16)?;
    let mut cpu = Load::new(CpuBackend::new(), rules, 16)?;
    let (mut compared, mut found) = (0, 0);
    for _ in 0..120 {
        gpu.step()?;
        cpu.step()?;
        for i in 0..gpu.handles.len() {
            let hashes =
                (gpu.backend.state_hash(gpu.handles[i])?, cpu.backend.state_hash(cpu.handles[i])?);
            compared += 1;
            found += u32::from(hashes.0 != hashes.1 || gpu.outputs[i] != cpu.outputs[i]);
        }
    }
    Ok((compared, found))
}
