//! A killed arenactl leaves nothing that `resume` cannot finish: killed after each journalled step.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// One service a strategy: recreate, rolling, blue-green.
const SPEC: &str = "
cluster: demo
regions:
  local:
    backend: local
services:
  store:
    kind: data
  auth:
    kind: stateless
    instances: 2
    after: [store]
  game:
    kind: matches
    instances: 2
    capacity: 10
    weights: [10, 100]
    settle: 1s
    after: [store]
environments:
  dev: {}
";
/// More steps than any rollout of that spec has; reached only if a deploy never ends.
const STEP_COUNT_MAX: u64 = 200;

/// What a command answered.
struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn arenactl(folder: &Path, args: &[&str]) -> anyhow::Result<Answer> {
    let output = Command::new(arena_tests::binary("arenactl")?)
        .args(["--backend", "memory"])
        .args(args)
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .output()?;
    Ok(Answer {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// A folder with a spec and release r1 deployed.
fn region() -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("arena.yaml"), SPEC)?;
    let answer = arenactl(folder.path(), &["deploy"])?;
    ensure!(answer.code == Some(0), "{}", answer.stderr);
    Ok(folder)
}

/// What a region is, without what depends on when it was looked at.
fn end_state(folder: &Path) -> anyhow::Result<Value> {
    let status = arenactl(folder, &["status", "--all", "--output", "json"])?;
    let history = arenactl(folder, &["history", "--output", "json"])?;
    let mut status: Value = serde_json::from_str(&status.stdout).context(status.stderr)?;
    status["lock"] = Value::Null;
    let history: Value = serde_json::from_str(&history.stdout)?;
    let revisions = history["revisions"].as_array().context("no revisions")?;
    let ends = revisions.iter().map(|it| {
        serde_json::json!({"release": it["release"], "kind": it["kind"], "status": it["status"]})
    });
    let weights: Value = serde_json::from_str(&std::fs::read_to_string(
        folder.join("state/arena/demo/local/memory.json"),
    )?)?;
    Ok(serde_json::json!({
        "status": status, "ends": ends.collect::<Vec<_>>(), "weights": weights["weights"],
    }))
}

const CHANGE: [&str; 6] = [
    "--set",
    "services.store.env.MODE=new",
    "--set",
    "services.auth.env.MODE=new",
    "--set",
    "services.game.env.MODE=new",
];

fn deploy(step: Option<&str>) -> Vec<&str> {
    let mut args = vec!["deploy"];
    args.extend(CHANGE);
    args.extend(step.iter().flat_map(|step| ["--die-after-step", step]));
    args
}

#[test]
fn a_deploy_killed_after_any_step_is_finished_by_resume() {
    let undisturbed = region().unwrap();
    assert_eq!(arenactl(undisturbed.path(), &deploy(None)).unwrap().code, Some(0));
    let expected = end_state(undisturbed.path()).unwrap();
    for step in 0..STEP_COUNT_MAX {
        let region = region().unwrap();
        let killed = arenactl(region.path(), &deploy(Some(&step.to_string()))).unwrap();
        if killed.code == Some(0) {
            assert!(step > 10, "a rollout of three services has more than {step} steps");
            return;
        }
        assert_eq!(killed.code, None, "step {step}: {}", killed.stderr);
        let resumed = arenactl(region.path(), &["resume"]).unwrap();
        assert_eq!(resumed.code, Some(0), "step {step}: {}", resumed.stderr);
        assert_eq!(end_state(region.path()).unwrap(), expected, "after step {step}");
    }
    panic!("the deploy never ended");
}

#[test]
fn a_deploy_killed_after_any_step_is_taken_back_by_abort() {
    let untouched = region().unwrap();
    let before = end_state(untouched.path()).unwrap();
    for step in 0..STEP_COUNT_MAX {
        let region = region().unwrap();
        let killed = arenactl(region.path(), &deploy(Some(&step.to_string()))).unwrap();
        if killed.code == Some(0) {
            return;
        }
        let aborted = arenactl(region.path(), &["abort"]).unwrap();
        // After its last step a rollout is done: there is nothing left to take back.
        if aborted.code == Some(0) {
            continue;
        }
        assert_eq!(aborted.code, Some(10), "step {step}: {}", aborted.stderr);
        let after = end_state(region.path()).unwrap();
        assert_eq!(after["weights"], before["weights"], "after step {step}");
        assert_eq!(serving(&after), serving(&before), "after step {step}");
    }
    panic!("the deploy never ended");
}

/// The instances that take work.
fn serving(state: &Value) -> Vec<String> {
    let instances = state["status"]["instances"].as_array().cloned().unwrap_or_default();
    let ready = instances.iter().filter(|it| it["state"] == "ready");
    ready.map(|it| it["instance"].to_string()).collect()
}
