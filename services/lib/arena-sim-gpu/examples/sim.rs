//! `make sim`: the backends of the simulation against each other, the golden courses, and kernels that are
//! wrong on purpose. One line each; it fails if a bit differs or a mutant lives. `SEED=` repeats a run.
#![expect(clippy::print_stdout, reason = "its lines are what it is for")]
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use arena_sim::{Backend, CpuBackend, Path, Rules};
use arena_sim_gpu::testing::{
    Fate, MUTANTS, Mutant, Tally, any_rules, compare, contested_rules, crowded_rules, play_goldens,
    used_atomic_results,
};
use arena_sim_gpu::{Accept, Examined, Gpu, GpuBackend, Guarded, Kernel, Options, examine};

/// Small pages, so that a run spreads over several; a software device compiles at its first dispatch.
const OPTIONS: Options = Options {
    workgroup: 64,
    hash_every_ticks: 4,
    first_page_matches: 4,
    answer_max: Duration::from_mins(5),
};

/// What all lines add up to.
#[derive(Debug, Default)]
struct Total {
    tally: Tally,
    failures: u32,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let begun = Instant::now();
    let seed = match std::env::var("SEED") {
        Ok(text) => text.parse()?,
        Err(_) => UNIX_EPOCH.elapsed()?.as_nanos() as u32,
    };
    let narrow = Gpu::open(Accept::Software, OPTIONS)?;
    let wide = Gpu::open(Accept::Software, Options { workgroup: 256, ..OPTIONS })?;
    println!("device {}, SEED={seed}", narrow.facts());
    let mut total = Total::default();
    parity(&mut total, seed, &narrow, &wide)?;
    goldens(&mut total, &narrow)?;
    for mutant in &MUTANTS {
        total.mutant(mutant)?;
    }
    let used = used_atomic_results(Kernel::new().text())?;
    total.line("no lane looks at what an atomic returns", Tally::default(), used.is_empty());
    let Tally { match_ticks, states, mismatches, freed, moved } = total.tally;
    println!(
        "total: {match_ticks} match-ticks and {states} states compared, {mismatches} mismatches; \
         {freed} matches ended and {moved} moved; {} failures, {:.0} s",
        total.failures,
        begun.elapsed().as_secs_f64()
    );
    Ok(if total.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Random rules and whole lives of matches, on every two backends that could disagree.
fn parity(
    total: &mut Total,
    seed: u32,
    narrow: &Arc<Gpu>,
    wide: &Arc<Gpu>,
) -> Result<(), Box<dyn Error>> {
    let mut brute = CpuBackend::with_path(Path::BruteForce);
    let mut portable = CpuBackend::with_path(Path::Portable);
    let mut fast = CpuBackend::new();
    let mut gpu = GpuBackend::new(narrow.clone());
    let mut wide = GpuBackend::new(wide.clone());
    let mut guarded = Guarded::new(GpuBackend::new(narrow.clone()));
    let mut run = |name: &str, backends: [&mut dyn Backend; 2], matches, ticks| {
        let tally = compare(backends, &any_rules, seed, matches, ticks)?;
        total.line(name, tally, tally.mismatches == 0);
        Ok::<(), Box<dyn Error>>(())
    };
    run("cpu portable = brute force", [&mut brute, &mut portable], 128, 600)?;
    run("cpu avx2 = brute force", [&mut brute, &mut fast], 128, 600)?;
    run("gpu 64 lanes = brute force", [&mut brute, &mut gpu], 32, 300)?;
    run("gpu 256 lanes = cpu avx2", [&mut fast, &mut wide], 16, 120)?;
    run("gpu 64 lanes = gpu 256 lanes", [&mut gpu, &mut wide], 8, 120)?;
    run("gpu guarded = gpu", [&mut gpu, &mut guarded], 8, 120)?;
    let tally = compare([&mut brute, &mut gpu], &contested_rules, seed, 30, 300)?;
    total.line("gpu 64 lanes = brute force, all contested", tally, tally.mismatches == 0);
    Ok(())
}

fn goldens(total: &mut Total, gpu: &Arc<Gpu>) -> Result<(), Box<dyn Error>> {
    let tally = play_goldens(&mut CpuBackend::new())?;
    total.line("golden courses on the cpu", tally, tally.mismatches == 0);
    let tally = play_goldens(&mut GpuBackend::new(gpu.clone()))?;
    total.line("golden courses on the gpu, many ticks a dispatch", tally, tally.mismatches == 0);
    let Examined { proof, calibration, .. } =
        examine(Accept::Software, OPTIONS, &Rules::standard(), 16)?;
    let compared =
        Tally { match_ticks: proof.match_ticks, states: proof.states, ..Tally::default() };
    total.line("self-test", compared, true);
    println!("     {:.0} us a match-tick of 16 matches", calibration.us_per_match_tick);
    Ok(())
}

impl Total {
    /// Prints a comparison, which must not differ, and adds it.
    fn line(&mut self, name: &str, tally: Tally, is_right: bool) {
        let Tally { match_ticks, states, mismatches, .. } = tally;
        let verdict = if is_right { "ok" } else { "FAIL" };
        println!(
            "{verdict:4} {name:50} {match_ticks:7} match-ticks {states:7} states {mismatches:3} mismatches"
        );
        self.tally.add(tally);
        self.failures += u32::from(!is_right);
    }

    /// Tries a mutant, whose mismatches are no fault.
    fn mutant(&mut self, mutant: &Mutant) -> Result<(), Box<dyn Error>> {
        let kernel = mutant.kernel();
        let is_refused = !used_atomic_results(kernel.text())?.is_empty();
        let (found, is_right) = if mutant.fate == Fate::Refused {
            ("refused by the lint".to_owned(), is_refused)
        } else {
            let mut changed = GpuBackend::new(Gpu::open_with(Accept::Software, OPTIONS, &kernel)?);
            let rules = |_| -> Rules { crowded_rules() };
            let tally = compare([&mut CpuBackend::new(), &mut changed], &rules, 7, 12, 120)?;
            let is_equal = tally.mismatches == 0;
            let found =
                format!("{} mismatches in {} match-ticks", tally.mismatches, tally.match_ticks);
            (found, !is_refused && is_equal == (mutant.fate == Fate::Equal))
        };
        let verdict = match (is_right, mutant.fate) {
            (false, _) => "FAIL",
            (true, Fate::Equal) => "ok",
            (true, _) => "dead",
        };
        println!("{verdict:4} mutant: {:42} {found}", mutant.name);
        self.failures += u32::from(!is_right);
        Ok(())
    }
}
