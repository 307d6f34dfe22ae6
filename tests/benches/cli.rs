//! What a person waits for at the prompt: `cargo bench -p arena-tests --bench cli`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use arena_testkit::bench::{Bench, Samples};
use arena_tests::binary;
use tempfile::TempDir;

/// Services of the measured spec.
const SERVICES: usize = 50;
const RUNS: usize = 21;

fn main() -> anyhow::Result<()> {
    let folder = TempDir::with_prefix("arena-bench-")?;
    let spec = folder.path().join("arena.yaml");
    std::fs::write(&spec, fifty_services())?;
    let spec = spec.to_str().context("a path of text")?;
    let state = folder.path().to_owned();
    // Programs are hashed once, not at every plan: a small one leaves the plan itself.
    std::fs::write(folder.path().join("service"), "#!/bin/sh\n")?;
    let programs = folder.path().to_str().context("a path of text")?;
    let plan = ["plan", "--region", "local", "--file", spec, "--artifacts", programs];
    // 2: a plan with changes pending.
    let plan = measure(&plan, &state, 2)?;
    let help = measure(&["--help"], &state, 0)?;
    let nothing = samples(|| spawn(Command::new("true"), 0))?;

    let mut bench = Bench::new("cli");
    bench.record_against("plan50_cold_ms", "ms", plan, ("process-start", &nothing));
    bench.record_against("help_cold_ms", "ms", help, ("process-start", &nothing));
    bench.finish()?;
    Ok(())
}

const HEAD: &str = "
cluster: arena
regions:
  local:
    backend: local
secrets:
  drain_token:
    source: generate
services:
";

/// A spec with fifty rolling services beside nothing else.
fn fifty_services() -> String {
    let mut text = HEAD.to_owned();
    for index in 0..SERVICES {
        let entry = format!(
            "  service-{index}:\n    binary: service\n    instances: 2\n    secrets: [drain_token]\n"
        );
        text.push_str(&entry);
    }
    text
}

fn measure(args: &[&str], state: &Path, code: i32) -> anyhow::Result<Samples> {
    let arenactl = binary("arenactl")?;
    samples(|| {
        let mut command = Command::new(&arenactl);
        command.args(args).env("XDG_STATE_HOME", state);
        spawn(command, code)
    })
}

fn samples(mut run: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<Samples> {
    run()?; // the first run loads the binary from disk
    Ok(Samples::new((0..RUNS).map(|_| run()).collect::<anyhow::Result<_>>()?))
}

/// Runs the command to its end and returns the milliseconds it took.
fn spawn(mut command: Command, code: i32) -> anyhow::Result<f64> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let took_ms = start.elapsed().as_secs_f64() * 1_000.0;
    ensure!(
        output.status.code() == Some(code),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(took_ms)
}
