//! arenactl on this machine with real processes: the stub keeps the instance contract.

mod disk;
mod down;
mod lock;
mod looking;
mod preflight;
mod terminal;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// One service a kind, so one a strategy.
const SPEC: &str = "
cluster: demo
regions:
  local:
    backend: local
secrets:
  drain_token:
    source: generate
services:
  keeper:
    kind: data
    binary: arena-stub
    secrets: [drain_token]
  gateway:
    kind: sessions
    binary: arena-stub
    secrets: [drain_token]
    after: [keeper]
  play:
    kind: matches
    binary: arena-stub
    capacity: 10
    settle: 100ms
    secrets: [drain_token]
    after: [keeper]
environments:
  dev: {}
";
const CHANGE: [&str; 6] = [
    "--set",
    "services.keeper.env.MODE=new",
    "--set",
    "services.gateway.env.MODE=new",
    "--set",
    "services.play.env.MODE=new",
];

/// Far more than any of this takes, on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A region of its own; everything in it is stopped when the test is over.
struct Region {
    folder: tempfile::TempDir,
}

/// What a command answered.
struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Region {
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("arena.yaml"), SPEC)?;
        arena_tests::binary("arena-stub")?;
        Ok(Self { folder })
    }

    fn deployed() -> anyhow::Result<Self> {
        let region = Self::new()?;
        let answer = region.run(&["deploy"])?;
        ensure!(answer.code == Some(0), "{}", answer.stderr);
        Ok(region)
    }

    fn command(&self, args: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(arena_tests::binary("arenactl")?);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.folder.path().join("state"));
        Ok(command)
    }

    fn run(&self, args: &[&str]) -> anyhow::Result<Answer> {
        let output = self.command(args)?.output()?;
        Ok(Answer {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    fn spawn(&self, args: &[&str]) -> anyhow::Result<Child> {
        let mut command = self.command(args)?;
        Ok(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }

    /// Looks at the status until it fits.
    fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            let status = self.status()?;
            if fits(&status) {
                return Ok(status);
            }
            ensure!(began.elapsed() < LIMIT, "no {what}: {status:#}");
        }
    }

    fn status(&self) -> anyhow::Result<Value> {
        let answer = self.run(&["status", "--output", "json"])?;
        serde_json::from_str(&answer.stdout).context(answer.stderr)
    }

    fn state(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join("state/arena/demo").join(path)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let _ = self.run(&["down", "--yes", "--now"]);
    }
}

fn units(status: &Value) -> Vec<(String, String)> {
    let instances = status["instances"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    instances.iter().map(|it| (text(&it["instance"]), text(&it["state"]))).collect()
}

fn assert_serving(status: &Value, release: &str) {
    let ready = |name: &str| (format!("{name}-{release}-0"), "ready".to_owned());
    assert_eq!(units(status), [ready("gateway"), ready("keeper"), ready("play")], "{status:#}");
}

#[test]
fn a_region_is_deployed_changed_rolled_back_and_taken_down() {
    let region = Region::deployed().unwrap();
    let first = region.status().unwrap();
    assert_serving(&first, "r1");
    let again = region.run(&["deploy", "--output", "json"]).unwrap();
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);

    let mut change = vec!["deploy", "--yes"];
    change.extend(CHANGE);
    let changed = region.run(&change).unwrap();
    assert_eq!(changed.code, Some(0), "{}", changed.stderr);
    let second = region.status().unwrap();
    assert_serving(&second, "r2");
    assert_eq!(second["url"], first["url"], "the public port is handed over");
    let mesh = |status: &Value| status["instances"][1]["addresses"]["mesh"].clone();
    assert_eq!(mesh(&second), mesh(&first), "a service with data keeps its address");

    let back = region.run(&["rollback", "--yes"]).unwrap();
    assert_eq!(back.code, Some(0), "{}", back.stderr);
    assert_serving(&region.status().unwrap(), "r1");
    let history = region.run(&["history", "--output", "json"]).unwrap();
    let history: Value = serde_json::from_str(&history.stdout).unwrap();
    assert_eq!(history["revisions"][2]["release"], "r1");
    assert_eq!(history["revisions"][2]["kind"], "rollback");

    let down = region.run(&["down", "--yes"]).unwrap();
    assert_eq!(down.code, Some(0), "{}", down.stderr);
    assert_eq!(units(&region.status().unwrap()), []);
}

#[test]
fn a_release_that_never_gets_ready_is_taken_back_with_a_card() {
    let region = Region::deployed().unwrap();
    for (setting, said) in [
        ("services.play.env.STUB_EXIT=7", "the stub was told to fail"),
        ("services.play.env.STUB_NEVER_READY=1", "the stub never gets ready"),
    ] {
        let timeout = "services.play.ready_timeout=2s";
        let args = ["deploy", "--output", "json", "--set", setting, "--set", timeout];
        let answer = region.run(&args).unwrap();
        assert_eq!(answer.code, Some(10), "{}", answer.stderr);
        let result: Value = serde_json::from_str(&answer.stdout).unwrap();
        let card = &result["result"]["card"];
        assert!(card.to_string().contains(said), "{setting}: {card:#}");
        assert!(card["unit"].as_str().unwrap().starts_with("play-"), "{card:#}");
        assert!(!card["next"].as_array().unwrap().is_empty(), "{card:#}");
        assert_serving(&region.status().unwrap(), "r1");
    }
}

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
        assert_serving(&region.status().unwrap(), "r2");
    }
}

#[test]
fn of_two_deploys_at_once_one_is_refused_with_the_holder() {
    let region = Region::deployed().unwrap();
    let never = ["--set", "services.play.env.STUB_NEVER_READY=1"];
    let timeout = ["--set", "services.play.ready_timeout=8s"];
    let args: Vec<&str> = ["deploy"].into_iter().chain(never).chain(timeout).collect();
    let mut first = region.spawn(&args).unwrap();
    while region.status().unwrap()["lock"].is_null() {
        assert!(first.try_wait().unwrap().is_none(), "the first deploy ended too early");
    }
    let second = region.run(&["deploy", "--set", "services.play.env.MODE=other"]).unwrap();
    assert_eq!(second.code, Some(5), "{}", second.stderr);
    assert!(second.stderr.contains(&format!("pid {}", first.id())), "{}", second.stderr);
    let told = region.run(&["abort"]).unwrap();
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert_eq!(first.wait().unwrap().code(), Some(10));
    assert_serving(&region.status().unwrap(), "r1");
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
    assert_serving(&region.status().unwrap(), "r1");
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
fn secrets_are_private_and_never_printed() {
    let region = Region::deployed().unwrap();
    let path = region.state("local/secrets/drain_token");
    let secret = std::fs::read_to_string(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for args in [["status", "--output", "json"], ["plan", "--output", "json"], ["logs", "-n", "99"]]
    {
        let answer = region.run(&args).unwrap();
        assert!(!answer.stdout.contains(&secret), "{args:?}");
        assert!(!answer.stderr.contains(&secret), "{args:?}");
    }
    assert!(!holds(&region.state("local/ledger.sqlite"), &secret));
}

fn holds(path: &Path, secret: &str) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}
