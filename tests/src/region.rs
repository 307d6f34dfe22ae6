//! A region `local` of its own: own state folder, own ports, real processes, gone at the end.

use std::ffi::OsStr;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};

use crate::binary::binary;
use crate::chaos::Ground;
use crate::http::get;

/// Longest run of one arenactl command; a deploy waits for running matches of half a minute.
pub(crate) const COMMAND_TIMEOUT: Duration = Duration::from_mins(5);
/// Pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Players of a test are in a match within this time, on a machine that also compiles.
const PLAYING_LIMIT: Duration = Duration::from_mins(2);

/// Regions and labs run one at a time: each is a whole arena, and these machines have few cores.
pub(crate) static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Waits until `look` returns a value.
///
/// # Errors
/// After `limit`: names what was waited for and the last reason why not.
pub async fn wait_for<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<Option<T>>>,
{
    let end = Instant::now() + limit;
    let mut last = None;
    while Instant::now() < end {
        match look().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    match last {
        Some(error) => Err(error.context(format!("waited {limit:?} for {what}"))),
        None => bail!("waited {limit:?} for {what}"),
    }
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; 128 + signal if a signal ended it.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// What it told people.
    pub stderr: String,
}

impl Ran {
    pub(crate) fn new(output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let signal = output.status.signal().unwrap_or(0);
        Self {
            code: output.status.code().unwrap_or(128 + signal),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails with everything it printed unless the exit code is `code`.
    ///
    /// # Errors
    /// If the code differs.
    pub fn expect_code(self, code: i32) -> anyhow::Result<Self> {
        ensure!(
            self.code == code,
            "exit code {} instead of {code}\n--- stdout\n{}\n--- stderr\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }

    /// Parses standard output as one JSON value.
    ///
    /// # Errors
    /// If it is not JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("not JSON: {}", self.stdout))
    }
}

/// A region of its own. `close` takes it down; dropping it without does so too, by force.
pub struct TestRegion {
    arenactl: PathBuf,
    /// Before the folder: what is mounted in it goes first.
    ground: Option<Ground>,
    state: TempDir,
    settings: Vec<String>,
    /// One with a network of its own is in nobody's way.
    _alone: Option<MutexGuard<'static, ()>>,
}

impl TestRegion {
    /// Makes the folder; nothing runs yet. `settings` are `--set` arguments of every deploy. Waits
    /// until no other test has a region.
    ///
    /// # Errors
    /// If the folder cannot be made or arenactl is not built.
    pub async fn new(settings: &[&str]) -> anyhow::Result<Self> {
        Self::made(settings, Some(ONE_AT_A_TIME.lock().await))
    }

    fn made(settings: &[&str], alone: Option<MutexGuard<'static, ()>>) -> anyhow::Result<Self> {
        Ok(Self {
            arenactl: binary("arenactl")?,
            ground: None,
            state: TempDir::with_prefix("arena-it-")?,
            settings: settings.iter().map(|it| (*it).to_owned()).collect(),
            _alone: alone,
        })
    }

    /// Makes a region with a network of its own, and a disk of `disk_mib` for all but its programs; it waits for no
    /// other test. Needs root.
    ///
    /// # Errors
    /// As [`Self::new`], and if the system refuses network or disk.
    pub fn on_ground(settings: &[&str], disk_mib: u32) -> anyhow::Result<Self> {
        let mut region = Self::made(settings, None)?;
        region.ground = Some(Ground::new(&region.folder(), disk_mib)?);
        Ok(region)
    }

    /// Returns its network and disk, if it has them of its own.
    pub(crate) fn ground(&self) -> Option<&Ground> {
        self.ground.as_ref()
    }

    /// Returns the folder that stands for `$XDG_STATE_HOME`.
    #[must_use]
    pub fn state_home(&self) -> &Path {
        self.state.path()
    }

    /// Returns the folder of the region itself: its instances, their data.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.state_home().join("arena/arena/local")
    }

    /// Returns the folder of its object store that holds replays.
    #[must_use]
    pub fn replays(&self) -> PathBuf {
        self.folder().join("data/store/objects/replays")
    }

    /// Returns a command `arenactl <args> --region local` with this region's state.
    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let program = match &self.ground {
            Some(ground) => ground.command(&self.arenactl),
            None => std::process::Command::new(&self.arenactl),
        };
        let mut command = Command::from(program);
        command
            .args(args)
            .args(["--region", "local"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .env("XDG_STATE_HOME", self.state.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs `arenactl <args> --region local` to its end.
    ///
    /// # Errors
    /// If it cannot be started or runs longer than five minutes.
    pub async fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> anyhow::Result<Ran> {
        let output = tokio::time::timeout(COMMAND_TIMEOUT, self.command(args).output())
            .await
            .with_context(|| {
                let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
                format!("arenactl {args:?} ran longer than {COMMAND_TIMEOUT:?}")
            })??;
        Ok(Ran::new(&output))
    }

    /// Returns the arguments of a deploy with this region's settings and `more`.
    #[must_use]
    pub fn deploy_args(&self, more: &[&str]) -> Vec<String> {
        let mut args = vec!["deploy".to_owned(), "--yes".to_owned()];
        for setting in &self.settings {
            args.extend(["--set".to_owned(), setting.clone()]);
        }
        args.extend(more.iter().map(|it| (*it).to_owned()));
        args
    }

    /// Deploys with this region's settings and `more` arguments.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn deploy(&self, more: &[&str]) -> anyhow::Result<Ran> {
        self.run(&self.deploy_args(more)).await
    }

    /// Starts a deploy and returns at once.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn deploy_in_background(&self, more: &[&str]) -> anyhow::Result<Child> {
        Ok(self.command(&self.deploy_args(more)).spawn()?)
    }

    /// Returns `arenactl status --output json`.
    ///
    /// # Errors
    /// If the command fails.
    pub async fn status(&self) -> anyhow::Result<Value> {
        self.run(&["status", "--output", "json"]).await?.expect_code(0)?.json()
    }

    /// Returns the instances of `status`, or those of one service.
    ///
    /// # Errors
    /// If the command fails or has no list of instances.
    pub async fn instances(&self, service: &str) -> anyhow::Result<Vec<Value>> {
        let status = self.status().await?;
        let all = status["instances"].as_array().context("`instances` in the status")?;
        Ok(all.iter().filter(|it| it["service"] == service).cloned().collect())
    }

    /// Returns the instances of a service that were not stopped.
    ///
    /// # Errors
    /// If the command fails.
    pub async fn live(&self, service: &str) -> anyhow::Result<Vec<Value>> {
        let mut instances = self.instances(service).await?;
        instances.retain(|it| it["state"] != "stopped");
        Ok(instances)
    }

    /// Returns how many sessions the instances of a service hold.
    ///
    /// # Errors
    /// If the command fails.
    pub async fn sessions(&self, service: &str) -> anyhow::Result<u64> {
        let instances = self.live(service).await?;
        Ok(instances.iter().filter_map(|it| it["sessions"].as_u64()).sum())
    }

    /// Waits until `players` have their session at a game.
    ///
    /// # Errors
    /// If the command fails, or they are not there in two minutes: on a machine that also compiles that is long.
    pub async fn all_play(&self, players: u64) -> anyhow::Result<()> {
        wait_for("all players in a match", PLAYING_LIMIT, || async {
            Ok((self.sessions("game").await? >= players).then_some(()))
        })
        .await
    }

    /// Returns how many players the leaderboard names, of the first hundred: those who finished a match that counts.
    ///
    /// # Errors
    /// If the gateway does not answer.
    pub async fn ranked(&self) -> anyhow::Result<usize> {
        let url = self.url().await?;
        let server = url.trim_start_matches("http://").trim_end_matches('/');
        let answer = get(server, "/v1/leaderboard?limit=100").await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("a body")?;
        let board: Value = serde_json::from_str(body)?;
        Ok(board["rows"].as_array().context("`rows`")?.len())
    }

    /// Returns the process ids of the instances of a service that run.
    ///
    /// # Errors
    /// If the command fails.
    pub async fn pids(&self, service: &str) -> anyhow::Result<Vec<u32>> {
        let instances = self.instances(service).await?;
        let pids = instances.iter().filter_map(|it| it["pid"].as_u64());
        pids.map(|pid| u32::try_from(pid).context("a process id")).collect()
    }

    /// Returns the address players open.
    ///
    /// # Errors
    /// If the status has none.
    pub async fn url(&self) -> anyhow::Result<String> {
        let status = self.status().await?;
        let url = status["url"].as_str().with_context(|| format!("`url` in {status}"))?;
        Ok(url.to_owned())
    }

    /// Takes the region down.
    ///
    /// # Errors
    /// If `arenactl down` fails.
    pub async fn close(self) -> anyhow::Result<()> {
        self.run(&["down", "--yes"]).await?.expect_code(0)?;
        Ok(())
    }
}

impl Drop for TestRegion {
    fn drop(&mut self) {
        // A failed test leaves its region running: ask once more, and leave the verdict to the test.
        let mut down = self.command(&["down", "--yes", "--now"]).into_std();
        let _ = down.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
