//! arenactl is killed after a journalled step, and resumed; an instance is killed, and its lease ended.

use std::time::Duration;

use anyhow::Context as _;
use arena_tests::{TestRegion, wait_for};
use rustix::process::{Pid, Signal, kill_process};

use super::SETTINGS;

/// Exit code of a process that SIGKILL ended.
const KILLED: i32 = 128 + 9;
/// A killed instance is back within this time, on a machine that also compiles.
const LIMIT: Duration = Duration::from_mins(1);
/// More steps than any rollout of this arena has.
const STEPS_MAX: u64 = 200;

/// Kills the deploy of a second release after `step`, resumes, and looks at the end state. Returns
/// `false` once the rollout has fewer steps.
async fn resumed_after(region: &TestRegion, step: u64, change: &str) -> anyhow::Result<bool> {
    let step = step.to_string();
    let deploy = region.deploy(&["--set", change, "--die-after-step", &step]).await?;
    if deploy.code == 0 {
        return Ok(false);
    }
    deploy.expect_code(KILLED)?;
    region.run(&["resume"]).await?.expect_code(0)?;
    let status = region.status().await?;
    assert!(status["rollout"].is_null(), "after step {step}: {status}");
    for instance in status["instances"].as_array().into_iter().flatten() {
        let state = instance["state"].as_str().unwrap_or_default();
        assert!(state == "ready" || state == "stopped", "after step {step}: {instance}");
    }
    Ok(true)
}

/// One seeded step in `make test`, every step with `ARENA_TEST_FULL`. `SEED` chooses another.
#[tokio::test]
async fn a_deploy_killed_after_a_journalled_step_is_resumed() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let full = std::env::var_os("ARENA_TEST_FULL").is_some();
    let seed: u64 = std::env::var("SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(1);
    println!("SEED={seed}");
    for service in ["game", "auth"] {
        // blue-green and rolling
        let steps = if full { 1..STEPS_MAX } else { 1 + seed % 3..2 + seed % 3 };
        for step in steps {
            let change = format!("services.{service}.env.ARENA_TEST=step-{step}");
            if !resumed_after(&region, step, &change).await? {
                break;
            }
        }
    }
    region.close().await
}

#[tokio::test]
async fn the_lease_of_a_killed_instance_is_ended_at_once() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let pid = region.instances("game").await?[0]["pid"].as_i64().context("the game's pid")?;
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a pid is not 0")?;
    kill_process(pid, Signal::KILL)?;
    wait_for("the game again", LIMIT, || async {
        let game = &region.instances("game").await?[0];
        Ok((game["restarts"] == 1 && game["state"] == "ready").then_some(()))
    })
    .await?;
    let log = region.run(&["logs", "game", "-n", "50"]).await?.expect_code(0)?.stdout;
    assert!(log.contains("arenactl: it ended: killed by signal 9 after "), "{log}");
    assert!(log.contains("arenactl: its lease was ended in "), "{log}");
    region.close().await
}
