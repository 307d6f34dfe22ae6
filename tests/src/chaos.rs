//! Chaos: a rollout under load while things break, and afterwards what must hold always.
//!
//! A run is a function of its seed: which rollout, what breaks, when, for how long. It has a region `local` of its
//! own in a network namespace of its own, with a small disk for all that its processes write.

mod faults;
mod ground;
mod judge;
mod plan;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::process::Child;
use tokio::time::{sleep, sleep_until, timeout};

pub(crate) use ground::Ground;
pub use judge::Verdict;
pub use plan::{Change, Fault, Part, Plan, Scope, Strategy, Trouble};

use crate::binary::binary;
use crate::bots::Bots;
use crate::region::{Ran, TestRegion, wait_for};
use faults::Faults;

/// Players of one run.
const PLAYERS: u32 = 16;
/// What a run's disk holds, in MiB: everything but the programs.
const DISK_MIB: u32 = 96;
/// All play within this time, before and after, on a machine that is busy.
const PLAYING_LIMIT: Duration = Duration::from_mins(2);
/// A rollout ends within this time, one way or the other: drains are told to take less.
const ROLLOUT_LIMIT: Duration = Duration::from_mins(3);
/// A rollout that was left is finished after so many tries, once nothing is broken any more.
const RESUMES_MAX: u32 = 3;
/// What the matches of a run are: short, so that some end while things break.
const SETTINGS: &[&str] = &[
    "services.gateway.ports.public=0",
    "services.game.instances=2",
    "services.game.drain.deadline=60s",
    "rules.match.time_limit_ticks=1200",
];
/// What one run was, and what became of it.
#[derive(Debug)]
pub struct Outcome {
    /// What was done.
    pub plan: Plan,
    /// Exit codes of arenactl, in order: the rollout, then what finished it.
    pub codes: Vec<i32>,
    /// How long it took.
    pub took: Duration,
    /// What does not hold; nothing if all does.
    pub broken: Vec<String>,
    /// What the players saw.
    pub report: Value,
}

/// Plays one run.
///
/// # Errors
/// If it cannot be set up; what does not hold afterwards is in the outcome.
pub async fn run(plan: Plan) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let region = TestRegion::on_ground(SETTINGS, DISK_MIB)?;
    let ground = region.ground().context("a region on ground of its own")?;
    let programs = programs(&plan, &region)?;
    let programs: Vec<&str> = programs.iter().flat_map(|it| ["--artifacts", it]).collect();
    region.deploy(&programs).await?.expect_code(0).context("the first release")?;
    let bots = Bots::start_on(ground, &region.url().await?, PLAYERS, plan.seed, &region.replays())?;
    all_play(&region).await.context("before the rollout")?;

    let mut faults = Faults::new(ground, region.state_home());
    let changed: Vec<String> = plan.settings();
    let change: Vec<&str> =
        programs.iter().copied().chain(changed.iter().flat_map(|it| ["--set", it])).collect();
    let mut codes = vec![rollout(&region, &plan, &change, &mut faults).await?];
    faults.heal().await?;
    let mut broken = Vec::new();
    match settle(&region, &change, &mut codes).await {
        Ok(()) => {}
        Err(error) => broken.push(format!("5: {error:#}")),
    }
    if let Err(error) = all_play(&region).await {
        broken.push(format!("1: {error:#}"));
    }
    let report = bots.stop().await?.0;
    let data = region.folder().join("data");
    region.run(&["down", "--yes"]).await?.expect_code(0).context("taken down at the end")?;
    broken.extend(Verdict { plan: &plan, report: &report, data: &data }.broken()?);
    Ok(Outcome { plan, codes, took: begun.elapsed(), broken, report })
}

/// Returns a folder of programs that lets a run step the clock of one of its game instances; the usual ones do if
/// none is stepped.
fn programs(plan: &Plan, region: &TestRegion) -> anyhow::Result<Option<String>> {
    if !plan.troubles.iter().any(|it| matches!(it.fault, Fault::Clock(_))) {
        return Ok(None);
    }
    let (programs, clocks) =
        (region.state_home().join("programs"), Faults::clocks(region.state_home()));
    fs::create_dir(&clocks)?;
    fs::create_dir(&programs)?;
    let game = binary("arena-game")?;
    for built in fs::read_dir(game.with_file_name(""))? {
        let built = built?.path();
        if let Some(name) = built.file_name().filter(|_| built.is_file() && built != game) {
            symlink(&built, programs.join(name))?;
        }
    }
    let script = format!(
        "#!/bin/sh\n\
         clock='{}'/${{ARENA_INSTANCE:-none}}\n\
         [ -e \"$clock\" ] || echo +0 >\"$clock\"\n\
         export FAKETIME_TIMESTAMP_FILE=\"$clock\" FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1\n\
         LD_PRELOAD='{}' exec '{}' \"$@\"\n",
        clocks.display(),
        faketime()?.display(),
        game.display(),
    );
    let file = programs.join("arena-game");
    fs::write(&file, script)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    Ok(Some(programs.display().to_string()))
}

/// Returns where Debian has the library that fakes the clock of a program with threads.
fn faketime() -> anyhow::Result<PathBuf> {
    let folders = fs::read_dir("/usr/lib")?.filter_map(Result::ok);
    let mut files = folders.map(|it| it.path().join("faketime/libfaketimeMT.so.1"));
    files.find(|it| it.exists()).context("libfaketimeMT.so.1: run `make deps-chaos`")
}

async fn all_play(region: &TestRegion) -> anyhow::Result<()> {
    wait_for("all bots in a match", PLAYING_LIMIT, || async {
        let games = region.instances("game").await?;
        let live = games.iter().filter(|it| it["state"] != "stopped");
        let sessions: u64 = live.filter_map(|it| it["sessions"].as_u64()).sum();
        Ok((sessions >= u64::from(PLAYERS)).then_some(()))
    })
    .await
}

/// Starts the rollout and breaks things as planned; returns its exit code.
async fn rollout(
    region: &TestRegion,
    plan: &Plan,
    change: &[&str],
    faults: &mut Faults<'_>,
) -> anyhow::Result<i32> {
    let mut child = Some(region.deploy_in_background(change)?);
    let begun = tokio::time::Instant::now();
    let mut code = None;
    for (at_ms, act) in plan.acts() {
        sleep_until(begun + Duration::from_millis(at_ms)).await;
        match act {
            plan::Act::Begin(Fault::KillArenactl) => {
                if let Some(mut child) = child.take() {
                    child.start_kill()?;
                    code = Some(ended(child).await?);
                }
            }
            plan::Act::Begin(fault) => faults.begin(fault)?,
            plan::Act::End(fault) => faults.end(fault).await?,
        }
    }
    faults.heal().await?;
    match (child, code) {
        (Some(child), _) => ended(child).await,
        (None, Some(code)) => Ok(code),
        (None, None) => bail!("a rollout that was never started"),
    }
}

async fn ended(child: Child) -> anyhow::Result<i32> {
    let output = timeout(ROLLOUT_LIMIT, child.wait_with_output())
        .await
        .with_context(|| format!("a rollout that does not end in {ROLLOUT_LIMIT:?}"))??;
    Ok(Ran::new(&output).code)
}

/// Finishes what was left, and says whether the region is in order: invariant 5.
async fn settle(region: &TestRegion, change: &[&str], codes: &mut Vec<i32>) -> anyhow::Result<()> {
    for _ in 0..RESUMES_MAX {
        if region.status().await?["rollout"].is_null() {
            break;
        }
        codes.push(region.run(&["resume"]).await?.code);
    }
    let status = region.status().await?;
    anyhow::ensure!(status["rollout"].is_null(), "the rollout is not finished: {status}");
    for _ in 0..RESUMES_MAX {
        let ran = region.deploy(change).await?;
        codes.push(ran.code);
        if ran.code == 0 {
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
    }
    let last = region.deploy(change).await?;
    bail!("a deploy with nothing broken ends with {}: {}", last.code, last.stderr)
}
