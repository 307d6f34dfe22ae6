//! What the simulation costs on a GPU: `cargo bench -p arena-tests --bench gpu`.
//!
//! The load is that of the bench `sim`. Where there is no graphics card, it runs on Mesa's software device, and
//! the table's first line says so: its ticks are computed by this machine's processor, so that only
//! bytes, host time and mismatches say anything about a real one.
use std::time::Instant;

use anyhow::Result;
use arena_sim::{
    Backend, Capacity, CpuBackend, Input, MatchHandle, PLAYERS, Rules, SeatInputs, TickOutput,
    buttons,
};
use arena_sim_gpu::{Accept, AdapterKind, Gpu, GpuBackend, Options};
use arena_testkit::bench::{Bench, Samples, thread_cpu_seconds};

const RUNS: usize = 5;
/// Ticks until many projectiles are in flight.
const WARM_UP_TICKS: u32 = 100;
/// Ticks that the prepared inputs last before they repeat.
const INPUT_TICKS: u32 = 64;
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

    let standard = rules(512, 0)?;
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
        let rules = rules(projectiles, drones)?;
        let mut load = Load::new(GpuBackend::new(gpu.clone()), &rules, matches)?;
        bench.record(metric, "us", load.measure(ticks)?.wall.map(|it| it * 1e6));
    }
    let (compared, found) = mismatches(GpuBackend::new(gpu), &standard)?;
    bench.record("match_ticks_compared", "match-ticks", Samples::exact(f64::from(compared)));
    bench.record("mismatches", "match-ticks", Samples::exact(f64::from(found)));
    bench.finish()?;
    Ok(())
}

/// Returns rules that keep the ring of `projectiles` full wherever no wall stops them.
fn rules(projectiles: u32, drones: u32) -> Result<Rules> {
    let pellets = projectiles / 128;
    let document = format!(
        r#"{{"version": 1, "projectiles": {projectiles}, "drones": {{"count": {drones}}},
            "match": {{"frag_limit": 0, "time_limit_ticks": 216000}},
            "weapon": {{"pellets": {pellets}, "cooldown_ticks": 16, "lifetime_ticks": 128, "damage": 10,
                "spread": 8, "speed_mm_s": 20500, "speed_jitter_mm_s": 3700, "walls": "bounce"}}}}"#
    );
    Ok(Rules::parse(&document)?)
}

/// Many matches on one backend, and what their players do.
struct Load<B> {
    backend: B,
    handles: Vec<MatchHandle>,
    /// `[ticks][matches]`
    inputs: Vec<Vec<SeatInputs>>,
    outputs: Vec<TickOutput>,
    tick: usize,
}

/// Seconds a match and tick: as the clock says, and of this thread alone.
struct Spent {
    wall: Samples,
    thread: Samples,
}

impl<B: Backend> Load<B> {
    /// Warms up on the CPU, whose states are the same, and moves.
    fn new(mut backend: B, rules: &Rules, matches: usize) -> Result<Self> {
        let mut warm = CpuBackend::new();
        let handles: Vec<_> =
            (0..matches as u32).map(|seed| warm.create(seed, rules)).collect::<Result<_, _>>()?;
        let inputs: Vec<Vec<SeatInputs>> =
            (0..INPUT_TICKS).map(|tick| inputs(matches, tick)).collect();
        let mut outputs = vec![TickOutput::default(); matches];
        let join = Input { buttons: buttons::JOIN, ..Input::default() };
        warm.step(&handles, &vec![[join; PLAYERS]; matches], &mut outputs)?;
        for tick in 0..WARM_UP_TICKS {
            warm.step(&handles, &inputs[(tick % INPUT_TICKS) as usize], &mut outputs)?;
        }
        let mut moved = Vec::with_capacity(matches);
        for handle in handles {
            moved.push(backend.import(&warm.export(handle)?, rules)?);
        }
        let mut load = Self { backend, handles: moved, inputs, outputs, tick: 0 };
        load.step()?;
        Ok(load)
    }

    fn step(&mut self) -> Result<()> {
        let inputs = &self.inputs[self.tick % self.inputs.len()];
        self.tick += 1;
        Ok(self.backend.step(&self.handles, inputs, &mut self.outputs)?)
    }

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
