//! Commands that only look leave no trace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use super::Region;
use crate::conformance::Place;

/// Every command that only looks.
const LOOKS: [&[&str]; 9] = [
    &["plan"],
    &["diff"],
    &["status"],
    &["status", "--all"],
    &["top", "--once"],
    &["history"],
    &["logs"],
    &["doctor"],
    &["certs", "list"],
];

/// Everything below a folder. `SQLite` keeps two files beside a database while it is open; they are its own.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.to_string_lossy().contains("ledger.sqlite-") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.insert(path);
    }
    found
}

#[test]
fn looking_at_a_region_that_was_never_deployed_creates_nothing() {
    let region = Region::new().unwrap();
    for args in LOOKS {
        let answer = region.run(args).unwrap();
        assert!(matches!(answer.code, Some(0 | 2 | 3)), "{args:?}: {}", answer.stderr);
        assert!(!region.folder.path().join("state").exists(), "{args:?}");
    }
    for args in [["down", "--yes"], ["unlock", "--output=text"], ["abort", "--output=text"]] {
        region.run(&args).unwrap();
        assert!(!region.folder.path().join("state").exists(), "{args:?}");
    }
}

#[test]
fn looking_at_a_region_that_runs_changes_no_file() {
    let region = Region::deployed().unwrap();
    let state = region.folder.path().join("state");
    let before = files(&state);
    for args in LOOKS {
        let answer = region.run(args).unwrap();
        assert_eq!(answer.code, Some(0), "{args:?}: {}{}", answer.stdout, answer.stderr);
    }
    let change = ["plan", "--set", "services.play.env.MODE=new"];
    assert_eq!(region.run(&change).unwrap().code, Some(2));
    assert_eq!(files(&state), before);
}

/// Looks at an instance that stands still before this is a failure.
const LOOK_COUNT_MAX: u32 = 10;

/// A process that stands still; dropped, it goes on, so that it can be stopped.
struct Still(Pid);

impl Still {
    fn new(pid: &serde_json::Value) -> Self {
        let pid = pid.as_i64().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[test]
fn an_instance_that_stands_still_is_shown_as_silent_and_holds_up_none_of_the_others() {
    let region = Region::deployed().unwrap();
    let status = region.status().unwrap();
    let units = status["instances"].as_array().unwrap();
    let play = units.iter().find(|it| it["service"] == "play").unwrap();
    let still = Still::new(&play["pid"]);
    let fits = |row: &serde_json::Value| {
        let is_still = row["instance"] == play["instance"];
        let is_missed = row["note"].as_str().is_some_and(|note| note.contains("no answer from"));
        row["silent_ms"].is_u64() == is_still
            && (row["standing"] == "ready") != is_still
            && is_missed == is_still
    };
    // On a machine that also compiles, one that runs may miss a look, too.
    let look = |_| region.told(&["top", "--output", "json"]).unwrap()["instances"].clone();
    let mut looks = (0..LOOK_COUNT_MAX).map(look);
    let is_shown = |rows: &serde_json::Value| {
        rows.as_array().is_some_and(|rows| rows.len() == units.len() && rows.iter().all(fits))
    };
    assert!(looks.any(|rows| is_shown(&rows)), "{:#}", look(0));
    drop(still);
}
