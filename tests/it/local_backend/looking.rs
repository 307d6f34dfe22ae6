//! Commands that only look leave no trace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Region;
use crate::conformance::Place;

/// Every command that only looks.
const LOOKS: [&[&str]; 8] = [
    &["plan"],
    &["diff"],
    &["status"],
    &["status", "--all"],
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
