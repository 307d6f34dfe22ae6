//! arenactl is killed after a journalled step, and resumed.

use arena_tests::TestRegion;

use super::SETTINGS;

/// Exit code of a process that SIGKILL ended.
const KILLED: i32 = 128 + 9;
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
