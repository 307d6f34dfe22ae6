//! A deploy that finds nothing to do says so of a region that serves, and of no other.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::Region;
use crate::conformance::{Place, deploy_with, units};

/// Returns a region whose `play` died and gets ready again once a file exists; with its deploy.
fn dead() -> anyhow::Result<(Region, PathBuf, Vec<String>)> {
    let region = Region::new()?;
    let go = region.folder.path().join("go");
    std::fs::write(&go, "")?;
    let ready_once = format!("services.play.env.STUB_READY_ONCE={}", go.display());
    let limits = ["keeper", "gateway", "play"].map(|it| format!("services.{it}.ready_timeout=2s"));
    let settings: Vec<&str> = limits.iter().chain([&ready_once]).map(String::as_str).collect();
    let deploy: Vec<String> = deploy_with(&settings).into_iter().map(str::to_owned).collect();
    let answer = run(&region, &deploy)?;
    ensure!(answer.code == Some(0), "{}", answer.stderr);
    std::fs::remove_file(&go)?;
    let play = region.status()?["instances"][2].clone();
    let pid = play["pid"].as_i64().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    kill_process(pid.with_context(|| format!("`pid` of {play}"))?, Signal::KILL)?;
    let starts = |name: &str| (name.to_owned(), "starting".to_owned());
    region.until("new start", |status| units(status).contains(&starts("play-r1-0")))?;
    Ok((region, go, deploy))
}

fn run(region: &Region, args: &[String]) -> anyhow::Result<crate::conformance::Answer> {
    region.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_deploy_without_changes_waits_until_everything_is_ready() {
    let (region, go, deploy) = dead().unwrap();
    let deploy: Vec<&str> = deploy.iter().map(String::as_str).collect();
    let mut waiting = region.spawn(&deploy).unwrap();
    let mut stderr = std::io::BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    assert!(line.starts_with("local waiting: play-r1-0 to be ready"), "{line}");
    std::fs::write(go, "").unwrap();
    let rest = std::io::read_to_string(stderr).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains("nothing to do: local runs r1"), "{rest}");
    region.serves("r1");
}

#[test]
fn a_deploy_without_changes_fails_if_an_instance_does_not_get_ready() {
    let (region, go, deploy) = dead().unwrap();
    let answer = run(&region, &deploy).unwrap();
    assert_eq!(answer.code, Some(12), "{}", answer.stderr);
    for part in [
        "nothing to do, and an instance is not ready after 2s",
        "play-r1-0: the stub never gets ready",
        "help: see why: `arenactl logs play-r1-0 --region local`",
    ] {
        assert!(answer.stderr.contains(part), "`{part}` is not in: {}", answer.stderr);
    }
    std::fs::write(go, "").unwrap();
    region.serves("r1");
}
