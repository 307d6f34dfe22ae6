//! `arena-chaos`: rollouts under load while things break. `SEED=… N=…` choose the runs, `JOBS=…` how many at once;
//! `REPORT=FILE` keeps a page.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's output")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use arena_tests::chaos::{self, Outcome, Plan};
use futures::StreamExt as _;

/// Runs without `N`.
const RUNS: u64 = 10;
/// Of what is broken the page keeps so much; the whole is in the output.
const BRIEF_CHARS: usize = 200;

#[tokio::main]
async fn main() -> ExitCode {
    match play().await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("error: invariants do not hold in {failed} runs");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn number(name: &str, default: u64) -> anyhow::Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text}: a whole number")),
        Err(_) => Ok(default),
    }
}

async fn play() -> anyhow::Result<usize> {
    let (first, count) = (number("SEED", 1)?, number("N", RUNS)?);
    let jobs = usize::try_from(number("JOBS", 1)?)?.max(1);
    let run = |seed| async move {
        chaos::run(Plan::new(seed)).await.with_context(|| format!("SEED={seed} N=1"))
    };
    let mut runs = futures::stream::iter(first..first + count).map(run).buffered(jobs);
    let mut all = Vec::new();
    while let Some(outcome) = runs.next().await {
        let outcome = outcome?;
        println!("SEED={} N=1: {}", outcome.plan.seed, outcome.plan);
        println!("{}", line(&outcome));
        for broken in &outcome.broken {
            println!("  BROKEN {broken}");
        }
        all.push(outcome);
    }
    if let Some(file) = std::env::var_os("REPORT") {
        std::fs::write(&file, page(first, &all))
            .with_context(|| format!("write {}", file.display()))?;
    }
    Ok(all.iter().filter(|it| !it.broken.is_empty()).count())
}

fn line(outcome: &Outcome) -> String {
    let Outcome { codes, took, broken, report, .. } = outcome;
    let verdict = if broken.is_empty() { "held" } else { "BROKEN" };
    format!(
        "  {verdict} in {:.0} s: arenactl {codes:?}, {} sessions, {} dropped, {} matches lost, {} ticks lost, \
         {} inputs lost, longest gap {} ms",
        took.as_secs_f64(),
        report["sessions"],
        report["dropped_sessions"],
        report["matches_lost"],
        report["lost_ticks"],
        report["inputs_lost"],
        report["longest_gap_ms"],
    )
}

/// What is kept of the runs.
fn page(first: u64, all: &[Outcome]) -> String {
    let mut faults = BTreeMap::<String, u32>::new();
    for trouble in all.iter().flat_map(|it| &it.plan.troubles) {
        *faults.entry(trouble.fault.to_string()).or_default() += 1;
    }
    let broken = all.iter().filter(|it| !it.broken.is_empty()).count();
    let mut page = format!(
        "# Chaos\n\nPrinted by `make chaos SEED={first} N={}`: rollouts under load while things break, and what must hold \
         afterwards ([load.md](load.md) explains the figures). Invariants broken in {broken} of {} runs.\n\n",
        all.len(),
        all.len(),
    );
    page += "| what broke | times |\n|---|---:|\n";
    for (fault, times) in &faults {
        let _ = writeln!(page, "| {fault} | {times} |");
    }
    page += "\n| seed | run | arenactl | dropped | matches lost | ticks lost | inputs lost | longest gap, ms | |\n";
    page += "|---:|---|---|---:|---:|---:|---:|---:|---|\n";
    for it in all {
        let brief = |it: &String| it.chars().take(BRIEF_CHARS).collect::<String>();
        let broken: Vec<String> = it.broken.iter().map(brief).collect();
        let verdict = if broken.is_empty() { "held".to_owned() } else { broken.join("; ") };
        let _ = writeln!(
            page,
            "| {} | {} | {:?} | {} | {} | {} | {} | {} | {verdict} |",
            it.plan.seed,
            it.plan,
            it.codes,
            it.report["dropped_sessions"],
            it.report["matches_lost"],
            it.report["lost_ticks"],
            it.report["inputs_lost"],
            it.report["longest_gap_ms"],
        );
    }
    page
}
