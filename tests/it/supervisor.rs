//! The process beside an instance, with tiny real children.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Far more than any of this takes, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// A supervisor and the folder of its instance; killed when the test is over.
struct Supervised {
    folder: PathBuf,
    process: Child,
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // The child of a killed supervisor gets SIGTERM from the kernel.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Supervised {
    fn start(folder: PathBuf, launch: &Value) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("launch.json"), launch.to_string())?;
        let process = Command::new(arena_tests::binary("arenactl")?)
            .arg("supervise")
            .arg(&folder)
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self { folder, process })
    }

    fn report(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.folder.join("state.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Waits until the report fits.
    async fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            match self.report() {
                Some(report) if fits(&report) => return Ok(report),
                report if began.elapsed() > LIMIT => bail!("{what}: {report:?}"),
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    fn signal(&self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.process.id())?;
        Ok(kill_process(Pid::from_raw(pid).context("a pid is not 0")?, Signal::TERM)?)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("logs/log")).unwrap_or_default()
    }
}

fn launch(program: &Path, args: &[&str], env: &Value) -> Value {
    json!({
        "instance": "stub-r1-0", "service": "stub", "release": "r1", "rollout": "00000000",
        "program": program, "args": args, "env": env, "sockets": [], "identity": null,
        "log": {"file_bytes": 1_000_000, "file_count": 2},
        "restart": {"attempts": 3, "within_ms": 60_000},
    })
}

fn shell(script: &str) -> Value {
    launch(Path::new("/bin/sh"), &["-c", script], &json!({"PATH": "/usr/bin:/bin"}))
}

fn stub(folder: &Path, mut env: Value) -> anyhow::Result<Value> {
    std::fs::write(folder.join("drain_token"), "0".repeat(64))?;
    env["ARENA_SERVICE"] = "stub".into();
    env["ARENA_INSTANCE"] = "stub-r1-0".into();
    env["ARENA_REGION"] = "local".into();
    env["ARENA_RELEASE"] = "r1".into();
    env["ARENA_SECRETS_DIR"] = folder.display().to_string().into();
    let mut launch = launch(&arena_tests::binary("arena-stub")?, &[], &env);
    launch["sockets"] = json!([socket("side", None)]);
    Ok(launch)
}

fn socket(name: &str, from: Option<&Path>) -> Value {
    json!({"name": name, "kind": "tcp", "address": "127.0.0.1:0", "from": from})
}

#[tokio::test]
async fn a_child_that_exits_is_restarted_until_it_counts_as_crash_looping() {
    let folder = tempfile::tempdir().unwrap();
    let supervised =
        Supervised::start(folder.path().join("a"), &shell("echo cannot start; exit 3")).unwrap();
    let report =
        supervised.until("crash loop", |report| report["crash_looping"] == true).await.unwrap();
    assert_eq!(report["last_exit"]["code"], 3, "{report}");
    assert!(report["restarts"].as_u64() >= Some(3), "{report}");
    let log = supervised.log();
    assert!(log.starts_with("cannot start\narenactl: it ended: exit code 3 after "), "{log}");
    assert!(log.matches("cannot start\n").count() >= 3, "{log}");
}

#[tokio::test]
async fn logs_are_rotated_at_line_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut launch = shell("seq 1 2000; sleep 60");
    launch["log"] = json!({"file_bytes": 1_000, "file_count": 2});
    let supervised = Supervised::start(folder.path().join("a"), &launch).unwrap();
    let began = Instant::now();
    while !supervised.log().contains("\n2000\n") {
        assert!(began.elapsed() < LIMIT, "{}", supervised.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut names: Vec<String> = std::fs::read_dir(supervised.folder.join("logs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["log", "log.1", "log.2"]);
    let older = std::fs::read_to_string(supervised.folder.join("logs/log.1")).unwrap();
    assert!(older.len() < 1_010 && older.ends_with('\n'), "{}", older.len());
}

#[tokio::test]
async fn a_connection_that_waits_in_the_queue_survives_a_hand_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = shell("sleep 60"); // It never accepts: what connects, waits.
    first["sockets"] = json!([socket("public", None)]);
    let first = Supervised::start(folder.path().join("first"), &first).unwrap();
    let running = |report: &Value| report["phase"] == "running";
    let report = first.until("first", running).await.unwrap();
    let address: SocketAddr = report["addresses"]["public"].as_str().unwrap().parse().unwrap();
    let mut waiting = TcpStream::connect(address).unwrap();
    waiting.set_read_timeout(Some(LIMIT)).unwrap();
    let mut second = stub(folder.path(), json!({"STUB_SAYS": "hello from the second"})).unwrap();
    let taken = socket("public", Some(&first.folder));
    second["sockets"].as_array_mut().unwrap().push(taken);
    let second = Supervised::start(folder.path().join("second"), &second).unwrap();
    let report = second.until("second", running).await.unwrap();
    assert_eq!(report["addresses"]["public"], address.to_string());
    drop(first);
    let mut heard = String::new();
    waiting.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello from the second");
}

#[tokio::test]
async fn the_first_sigterm_drains_and_the_second_stops() {
    let folder = tempfile::tempdir().unwrap();
    let launch = stub(folder.path(), json!({"STUB_IGNORES_TERM": "1"})).unwrap();
    let mut supervised = Supervised::start(folder.path().join("a"), &launch).unwrap();
    supervised.until("start", |report| report["phase"] == "running").await.unwrap();
    let began = Instant::now();
    while !supervised.log().contains("starts with") {
        assert!(began.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    supervised.signal().unwrap();
    let report = supervised.until("drain", |report| report["phase"] == "stopping").await.unwrap();
    assert!(report["child"].is_object(), "still there: {report}");
    while !supervised.log().contains("SIGTERM 1") {
        assert!(began.elapsed() < LIMIT, "{}", supervised.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    supervised.signal().unwrap();
    let report = supervised.until("stop", |report| report["phase"] == "stopped").await.unwrap();
    assert_eq!(report["last_exit"]["code"], 0, "{report}");
    assert!(supervised.process.wait().unwrap().success());
}

#[tokio::test]
async fn a_killed_supervisor_takes_its_child_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let launch = stub(folder.path(), json!({})).unwrap();
    let supervised = Supervised::start(folder.path().join("a"), &launch).unwrap();
    let report = supervised.until("start", |report| report["child"].is_object()).await.unwrap();
    let child = report["child"]["pid"].as_u64().unwrap();
    drop(supervised);
    let began = Instant::now();
    let is_alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
    };
    while is_alive() {
        assert!(began.elapsed() < LIMIT, "the child outlives its supervisor");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_taken_port_is_reported_with_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut launch = shell("sleep 60");
    launch["sockets"] = json!([socket("public", None)]);
    launch["sockets"][0]["address"] = holder.local_addr().unwrap().to_string().into();
    let supervised = Supervised::start(folder.path().join("a"), &launch).unwrap();
    let report = supervised.until("failure", |report| report["phase"] == "failed").await.unwrap();
    let error = report["error"].as_str().unwrap();
    assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
}

/// Makes the authority of cluster `demo`, as the first certificate that is issued does.
fn authority(folder: &Path) -> anyhow::Result<PathBuf> {
    std::fs::write(
        folder.join("arena.yaml"),
        "cluster: demo\nregions:\n  local:\n    backend: local\nservices:\n  stub:\n    kind: stateless\n",
    )?;
    let output = Command::new(arena_tests::binary("arenactl")?)
        .args(["certs", "issue", "operator"])
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(folder.join("state/arena/demo/authority"))
}

#[tokio::test]
async fn a_certificate_is_renewed_at_half_its_life_while_the_service_runs_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut launch = stub(folder.path(), json!({})).unwrap();
    launch["identity"] = json!({
        "uri": "spiffe://demo/stub/stub-r1-0", "authority": authority(folder.path()).unwrap(),
        "folder": folder.path().join("identity"), "life_ms": 2_000,
    });
    let supervised = Supervised::start(folder.path().join("a"), &launch).unwrap();
    let report = supervised.until("start", |report| report["phase"] == "running").await.unwrap();
    let certificate = || std::fs::read(folder.path().join("identity/cert.pem")).unwrap();
    let (first, began) = (certificate(), Instant::now());
    while certificate() == first {
        assert!(began.elapsed() < LIMIT, "{}", supervised.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let after = supervised.report().unwrap();
    assert_eq!(after["child"], report["child"], "the same process, not restarted");
    assert_eq!(after["restarts"], 0);
    assert_eq!(supervised.log().matches("starts with").count(), 1, "{}", supervised.log());
}
