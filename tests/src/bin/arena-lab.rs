//! `arena-lab`: real engines on this machine, to deploy to by hand.
//!
//! `arena-lab up [--nodes N] [--gpus N]` starts a swarm and a registry that outlive the command;
//! `push [TAG]` puts the services' images there; `status` tells what runs; `down` takes all away.
//! `run [--nodes N] [--gpus N] -- COMMAND…` has a lab of its own for as long as the command runs.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's output")]

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use arena_tests::{Lab, LabSpec};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// What people type who forgot what to type.
const USAGE: &str = "arena-lab up [--nodes 1..3] [--gpus N] | push [TAG] | status | down \
                     | run [--nodes 1..3] [--gpus N] -- COMMAND…";
/// The tag of a push that names none.
const TAG: &str = "lab";

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    obey(&args).await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn obey(args: &[&str]) -> anyhow::Result<ExitCode> {
    match *args {
        ["up", ref options @ ..] => tell(&Lab::keep(spec(options)?).await?),
        ["push"] => push(TAG).await?,
        ["push", tag] => push(tag).await?,
        ["status"] => tell(&Lab::kept()?),
        ["down"] => Lab::remove_kept().await?,
        ["run", ref rest @ ..] => return run(rest).await,
        _ => bail!("usage: {USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn spec(options: &[&str]) -> anyhow::Result<LabSpec> {
    let mut spec = LabSpec { gpus: 2, ..LabSpec::default() };
    for option in options.chunks(2) {
        let [name, value] = option else { bail!("usage: {USAGE}") };
        let value = value.parse().with_context(|| format!("`{value}` is no number: {USAGE}"))?;
        match *name {
            "--nodes" => spec.nodes = value,
            "--gpus" => spec.gpus = value,
            _ => bail!("usage: {USAGE}"),
        }
    }
    Ok(spec)
}

async fn push(tag: &str) -> anyhow::Result<()> {
    for image in Lab::kept()?.push_images(tag).await? {
        println!("{}\t{}", image.reference, image.digest);
    }
    Ok(())
}

/// Runs a command against a lab of its own; its exit code is the command's.
async fn run(args: &[&str]) -> anyhow::Result<ExitCode> {
    let end = args.iter().position(|it| *it == "--").context(USAGE)?;
    let (options, command) = (&args[..end], &args[end + 1..]);
    let [program, args @ ..] = command else { bail!("usage: {USAGE}") };
    let lab = Lab::start(spec(options)?).await?;
    // An interrupt is for the command: the lab is to be taken down after it.
    let _interrupts = signal(SignalKind::interrupt())?;
    let endpoint = format!("unix://{}", lab.socket(1).display());
    let status = Command::new(program).args(args).env("DOCKER_HOST", endpoint).status().await;
    lab.close().await?;
    let code = status.with_context(|| format!("run {program}"))?.code().unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn tell(lab: &Lab) {
    for line in lab.status() {
        println!("{line}");
    }
}
