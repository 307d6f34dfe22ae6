//! Bot players: the binary `arena-load`, a process of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::binary::binary;
use crate::chaos::Ground;

/// The bots stop within this time of being asked.
const STOP_LIMIT: Duration = Duration::from_mins(2);

/// Bot players that play until they are stopped.
pub struct Bots {
    child: Child,
    report: PathBuf,
    _folder: TempDir,
}

/// What the bots saw. The fields are those of `arena-load --report`.
#[derive(Debug)]
pub struct BotsReport(pub Value);

impl BotsReport {
    /// Returns a whole number of the report.
    ///
    /// # Errors
    /// If the report has no such number.
    pub fn count(&self, field: &str) -> anyhow::Result<u64> {
        self.0[field].as_u64().with_context(|| format!("`{field}` in {}", self.0))
    }

    /// Fails if a player lost a session, a connection, a match or an input, or saw a frame that breaks the protocol,
    /// or if one of `also` is another number.
    ///
    /// # Errors
    /// The first of these, with the whole report.
    pub fn expect_unnoticed(&self, also: &[(&str, u64)]) -> anyhow::Result<()> {
        let losses = [
            "dropped_sessions",
            "protocol_errors",
            "connections_lost",
            "matches_lost",
            "inputs_lost",
        ];
        for (field, wanted) in losses.map(|it| (it, 0)).iter().chain(also) {
            let count = self.count(field)?;
            ensure!(count == *wanted, "{field} is {count}, not {wanted}: {}", self.0);
        }
        Ok(())
    }
}

impl Bots {
    /// Starts `players` bots against `url`.
    ///
    /// # Errors
    /// If `arena-load` is not built or cannot be started.
    pub fn start(url: &str, players: u32, seed: u64) -> anyhow::Result<Self> {
        let program = std::process::Command::new(binary("arena-load")?);
        Self::spawn(program, url, players, seed)
    }

    /// Starts them in a network of its own; afterwards they look at the replays of their matches.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) fn start_on(
        ground: &Ground,
        url: &str,
        players: u32,
        seed: u64,
        replays: &Path,
    ) -> anyhow::Result<Self> {
        let mut program = ground.command(binary("arena-load")?);
        program.arg("--replays").arg(replays);
        Self::spawn(program, url, players, seed)
    }

    fn spawn(
        program: std::process::Command,
        url: &str,
        players: u32,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("arena-bots-")?;
        let report = folder.path().join("report.json");
        let child = Command::from(program)
            .args(["--url", url, "--players", &players.to_string()])
            .args(["--seconds", "600", "--seed", &seed.to_string()])
            .arg("--report")
            .arg(&report)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child, report, _folder: folder })
    }

    /// Asks them to stop and returns their report.
    ///
    /// # Errors
    /// If they ended before, do not stop in time or leave no report.
    pub async fn stop(mut self) -> anyhow::Result<BotsReport> {
        let id = self.child.id().context("the bots ended before they were asked to")?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(pid, Signal::TERM)?;
        let status = tokio::time::timeout(STOP_LIMIT, self.child.wait()).await??;
        ensure!(status.success(), "arena-load: {status}");
        let text = tokio::fs::read_to_string(&self.report).await.context("the bots' report")?;
        Ok(BotsReport(serde_json::from_str(&text)?))
    }
}
