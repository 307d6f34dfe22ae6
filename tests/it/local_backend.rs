//! arenactl on this machine with real processes: the stub keeps the instance contract.

mod disk;
mod down;
mod looking;
mod preflight;
mod settled;
mod terminal;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::conformance::{CHANGE, Place, SERVICES, backend_conformance};

const HEAD: &str = "
cluster: demo
regions:
  local:
    backend: local
";

/// A region of its own; everything in it is stopped when the test is over.
struct Region {
    folder: tempfile::TempDir,
}

impl Place for Region {
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("arena.yaml"), format!("{HEAD}{SERVICES}"))?;
        arena_tests::binary("arena-stub")?;
        Ok(Self { folder })
    }

    fn command(&self, args: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(arena_tests::binary("arenactl")?);
        command.args(args).current_dir(self.folder());
        command.env("XDG_STATE_HOME", self.folder().join("state"));
        Ok(command)
    }

    fn file_of(&self, instance: &str, path: &str) -> anyhow::Result<String> {
        let path = self.state(&format!("local/instances/{instance}/{path}"));
        Ok(std::fs::read_to_string(path)?)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Region {
    fn state(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join("state/arena/demo").join(path)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let _ = self.run(&["down", "--yes", "--now"]);
    }
}

backend_conformance! { Region }

#[test]
fn a_killed_deploy_is_resumed_with_real_processes() {
    let seed: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4);
    let is_full = std::env::var_os("ARENA_TEST_FULL").is_some();
    let steps: Vec<u64> = if is_full { (0..16).collect() } else { vec![seed % 8, seed % 8 + 5] };
    for step in steps {
        let region = Region::deployed().unwrap();
        let text = step.to_string();
        let mut args = vec!["deploy", "--yes", "--die-after-step", text.as_str()];
        args.extend(CHANGE);
        let killed = region.run(&args).unwrap();
        if killed.code == Some(0) {
            continue;
        }
        assert_eq!(killed.code, None, "SEED={seed}, step {step}: {}", killed.stderr);
        let resumed = region.run(&["resume"]).unwrap();
        assert_eq!(resumed.code, Some(0), "SEED={seed}, step {step}: {}", resumed.stderr);
        region.serves("r2");
    }
}

#[test]
fn a_corrupt_state_file_is_named_and_says_the_way_back() {
    let region = Region::deployed().unwrap();
    let path = region.state("local/instances/play-r1-0/state.json");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, "{").unwrap();
    let answer = region.run(&["status"]).unwrap();
    std::fs::write(&path, whole).unwrap();
    assert_eq!(answer.code, Some(4), "{}", answer.stderr);
    assert!(answer.stderr.contains(&path.display().to_string()), "{}", answer.stderr);
    assert!(answer.stderr.contains("help: move"), "{}", answer.stderr);
}

#[test]
fn an_instance_whose_launch_file_is_lost_is_seen_and_stopped() {
    let region = Region::deployed().unwrap();
    let path = region.state("local/instances/play-r1-0/launch.json");
    std::fs::write(&path, "{").unwrap();
    let answer = region.run(&["status"]).unwrap();
    assert_eq!(answer.code, Some(4), "{}", answer.stderr);
    assert!(answer.stderr.contains("play-r1-0/launch.json` is corrupt"), "{}", answer.stderr);
    // What the help says: move it away.
    std::fs::rename(&path, path.with_extension("corrupt")).unwrap();
    region.serves("r1");
    let pid = region.status().unwrap()["instances"][2]["pid"].as_u64().unwrap();
    let down = region.run(&["down", "--yes"]).unwrap();
    assert_eq!(down.code, Some(0), "{}", down.stderr);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "it is left running");
}

#[test]
fn a_missing_program_fails_before_anything_moves() {
    let region = Region::new().unwrap();
    let answer = region.run(&["deploy", "--artifacts", "nowhere"]).unwrap();
    assert_eq!(answer.code, Some(4), "{}", answer.stderr);
    assert!(answer.stderr.contains("--bin arena-stub"), "{}", answer.stderr);
    assert!(!region.state("local/instances").exists());
}

#[test]
fn secrets_are_private_and_not_in_the_ledger() {
    let region = Region::deployed().unwrap();
    let path = region.state("local/secrets/drain_token");
    let secret = std::fs::read_to_string(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!holds(&region.state("local/ledger.sqlite"), &secret));
}

fn holds(path: &Path, secret: &str) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}
