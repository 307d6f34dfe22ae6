//! The ways from one release to the next.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use arena_load::Run;
use arena_tests::wait_for;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use crate::DEPLOY;
use crate::place::Place;

/// What a new release differs in: game and gateway are replaced.
const CHANGE: [&str; 2] = ["services.game.env.ARENA_BENCH=2", "services.gateway.env.ARENA_BENCH=2"];
/// How long `docker stack deploy` lets a container go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);
/// A deploy waits ten minutes for what it drains, and a moment for everything else.
const DEPLOY_LIMIT: Duration = Duration::from_mins(15);
/// Everything that was stopped is ready again within this time.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// The steps of a rollout that players could notice.
const ACTS: [&str; 3] = ["start ", "drain ", "stop "];

/// How the new release takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `arenactl deploy`: new beside old, matches and sessions move, old ones stop last.
    BlueGreen,
    /// What `docker stack deploy` does: SIGTERM, ten seconds later SIGKILL, then the new ones start.
    StopAndStart,
    /// New beside old; the old ones end their matches and sessions at once, players queue again.
    EndAndReconnect,
}

impl Way {
    /// Ours first.
    pub(crate) const ALL: [Self; 3] = [Self::BlueGreen, Self::StopAndStart, Self::EndAndReconnect];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BlueGreen => "blue-green",
            Self::StopAndStart => "stop-and-start",
            Self::EndAndReconnect => "end-and-reconnect",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::BlueGreen => "arenactl deploy: blue-green of game and gateway",
            Self::StopAndStart => "stop and start: SIGTERM, SIGKILL after 10 s, start",
            Self::EndAndReconnect => {
                "end and reconnect: matches and sessions end, players queue again"
            }
        }
    }
}

/// Goes the way in a window of at least `length`; returns how long the way itself took.
pub(crate) async fn go(
    way: Way,
    place: &Place,
    run: &Run,
    length: Duration,
) -> anyhow::Result<Duration> {
    run.begin(DEPLOY);
    let began = Instant::now();
    let mut change = CHANGE.map(str::to_owned).to_vec();
    match way {
        Way::BlueGreen => deploy(place, run, &change).await?,
        Way::StopAndStart => stop_and_start(place, run).await?,
        Way::EndAndReconnect => {
            for service in ["game", "gateway"] {
                let ends = ["at_deadline=end", "deadline=1s", "mode=wait"];
                change.extend(ends.map(|it| format!("services.{service}.drain.{it}")));
            }
            deploy(place, run, &change).await?;
        }
    }
    let took = began.elapsed();
    run.mark(format!("done, after {:.1} s", took.as_secs_f64()));
    tokio::time::sleep(length.saturating_sub(took)).await;
    run.end(DEPLOY);
    Ok(took)
}

/// Deploys, and marks its steps as they are told.
async fn deploy(place: &Place, run: &Run, change: &[String]) -> anyhow::Result<()> {
    let mut child = place.deploy(change).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let output = child.stdout.take().context("the output of arenactl")?;
    let told = async {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some(step) = step(&line)? {
                run.mark(step);
            }
        }
        let status = child.wait().await?;
        ensure!(status.success(), "arenactl deploy: {status}");
        Ok(())
    };
    timeout(DEPLOY_LIMIT, told)
        .await
        .with_context(|| format!("arenactl deploy ran longer than {DEPLOY_LIMIT:?}"))?
}

/// Returns what a line of `--output jsonl` says is done to game and gateway.
fn step(line: &str) -> anyhow::Result<Option<String>> {
    let event: Value = serde_json::from_str(line).with_context(|| format!("read `{line}`"))?;
    let text = event["msg"].as_str().unwrap_or_default();
    let is_ours = text.contains("game") || text.contains("gateway");
    let is_act = ACTS.iter().any(|it| text.starts_with(it));
    Ok((is_ours && is_act).then(|| text.to_owned()))
}

async fn stop_and_start(place: &Place, run: &Run) -> anyhow::Result<()> {
    let Place::Local(region) = place else { bail!("this way is known on `local` alone") };
    let pids = [region.pids("game").await?, region.pids("gateway").await?].concat();
    let pids: Vec<Pid> =
        pids.iter().filter_map(|it| Pid::from_raw(i32::try_from(*it).ok()?)).collect();
    run.mark("SIGTERM to game and gateway");
    pids.iter().try_for_each(|pid| send(*pid, Signal::TERM))?;
    let is_gone = || async { Ok(running(&pids).is_empty().then_some(())) };
    if wait_for("an end of all", GRACE, is_gone).await.is_err() {
        let left = running(&pids);
        run.mark(format!("SIGKILL to {} that are left", left.len()));
        left.into_iter().try_for_each(|pid| send(pid, Signal::KILL))?;
    }
    wait_for("all to be ready", READY_LIMIT, || async {
        let mut all = region.instances("game").await?;
        all.extend(region.instances("gateway").await?);
        let is_ready = |it: &Value| it["state"] == "ready" && it["restarts"] != 0;
        Ok((all.len() >= pids.len() && all.iter().all(is_ready)).then_some(()))
    })
    .await
}

/// Sends a signal; who has ended by now needs none.
fn send(pid: Pid, signal: Signal) -> anyhow::Result<()> {
    match kill_process(pid, signal) {
        Err(Errno::SRCH) => Ok(()),
        sent => sent.with_context(|| format!("{signal:?} to {pid:?}")),
    }
}

fn running(pids: &[Pid]) -> Vec<Pid> {
    pids.iter().copied().filter(|it| test_kill_process(*it).is_ok()).collect()
}
