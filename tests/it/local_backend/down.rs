//! `down` and `drain`, killed and interrupted with real processes.

use std::path::PathBuf;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use super::Region;
use crate::conformance::{Place, units};

/// A region whose `play` is busy after a drain while a file exists.
pub(super) fn busy() -> anyhow::Result<(Region, PathBuf)> {
    let region = Region::new()?;
    let busy = region.folder.path().join("busy");
    std::fs::write(&busy, "")?;
    let setting = format!("services.play.env.STUB_BUSY_WHILE={}", busy.display());
    let answer = region.run(&["deploy", "--set", &setting])?;
    anyhow::ensure!(answer.code == Some(0), "{}", answer.stderr);
    Ok((region, busy))
}

/// Starts a command and waits until `play` drains for it.
fn draining(region: &Region, args: &[&str]) -> anyhow::Result<std::process::Child> {
    let child = region.spawn(args)?;
    let drains = |status: &serde_json::Value| {
        units(status).contains(&("play-r1-0".to_owned(), "draining".to_owned()))
    };
    region.until("drain", drains)?;
    Ok(child)
}

#[test]
fn a_killed_down_is_finished_by_resume_and_by_another_down() {
    for finish in [&["resume"][..], &["down", "--yes"]] {
        let (region, busy) = busy().unwrap();
        let mut killed = draining(&region, &["down", "--yes"]).unwrap();
        killed.kill().unwrap();
        killed.wait().unwrap();

        let status = region.run(&["status"]).unwrap();
        assert!(status.stdout.contains("a `down` is running or interrupted"), "{}", status.stdout);
        for refused in [&["deploy"][..], &["abort"], &["rollback", "--yes"]] {
            let answer = region.run(refused).unwrap();
            assert_eq!(answer.code, Some(6), "{refused:?}: {}", answer.stderr);
            assert!(answer.stderr.contains("arenactl resume --region local"), "{}", answer.stderr);
        }

        std::fs::remove_file(&busy).unwrap();
        let finished = region.run(finish).unwrap();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let status = region.status().unwrap();
        assert_eq!(units(&status), []);
        assert!(status["release"].is_null() && status["rollout"].is_null(), "{status:#}");
        let history = region.run(&["history", "--output", "json"]).unwrap();
        let history: serde_json::Value = serde_json::from_str(&history.stdout).unwrap();
        assert_eq!(history["revisions"][1]["status"], "down", "{history:#}");
        assert_eq!(history["revisions"].as_array().map(Vec::len), Some(2), "{history:#}");

        let again = region.run(&["deploy"]).unwrap();
        assert_eq!(again.code, Some(0), "{}", again.stderr);
    }
}

#[test]
fn a_down_that_is_interrupted_says_what_finishes_it() {
    let (region, busy) = busy().unwrap();
    let down = draining(&region, &["down", "--yes"]).unwrap();
    interrupt(down.id()).unwrap();
    let output = down.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("`arenactl resume --region local` finishes"), "{stderr}");
    std::fs::remove_file(&busy).unwrap();
    assert_eq!(region.run(&["resume"]).unwrap().code, Some(0));
    assert_eq!(units(&region.status().unwrap()), []);
}

#[test]
fn a_drain_outlives_its_command_and_can_be_taken_back() {
    let (region, busy) = busy().unwrap();
    let mut killed = draining(&region, &["drain", "play-r1-0"]).unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let cancelled = region.run(&["drain", "play-r1-0", "--cancel"]).unwrap();
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.stderr);

    let left = draining(&region, &["drain", "play-r1-0"]).unwrap();
    interrupt(left.id()).unwrap();
    let output = left.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));

    let late = region.run(&["drain", "play-r1-0", "--deadline", "1s"]).unwrap();
    assert_eq!(late.code, Some(13), "{}", late.stderr);
    assert!(late.stderr.contains("--cancel"), "{}", late.stderr);
    std::fs::remove_file(&busy).unwrap();
    let drained = region.run(&["drain", "play-r1-0"]).unwrap();
    assert_eq!(drained.code, Some(0), "{}", drained.stderr);
    assert!(drained.stderr.contains("play-r1-0 is empty"), "{}", drained.stderr);
}

fn interrupt(pid: u32) -> anyhow::Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a pid is not 0")?;
    Ok(kill_process(pid, Signal::INT)?)
}
