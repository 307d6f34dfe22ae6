//! arenactl on a real pseudo-terminal, as `script` makes it, with a person in front of it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout_at};

use crate::binary::binary;
use crate::region::COMMAND_TIMEOUT;

/// What is waited for is shown within this time, on a machine that also compiles; a screen that is drawn again and
/// again is never silent.
const UNTIL_LIMIT: Duration = Duration::from_mins(2);
/// A command ends within this time, as it does without a terminal.
const END_LIMIT: Duration = COMMAND_TIMEOUT;
/// What a terminal sends for Ctrl-C.
const CTRL_C: &[u8] = b"\x03";

/// A command on a terminal.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    shown: String,
}

impl Terminal {
    /// Runs `arenactl <args>` in `folder` on a terminal so many columns wide, its state below `state_home`.
    ///
    /// # Errors
    /// If `script` or arenactl is missing.
    pub fn open(
        folder: &Path,
        state_home: &Path,
        columns: usize,
        args: &[&str],
    ) -> anyhow::Result<Self> {
        let arenactl = binary("arenactl")?;
        let line =
            format!("stty cols {columns} rows 60; exec {} {}", arenactl.display(), args.join(" "));
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
            .current_dir(folder)
            .env("XDG_STATE_HOME", state_home)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("script: it is in Debian's bsdutils")?;
        let keys = child.stdin.take().context("stdin")?;
        let screen = child.stdout.take().context("stdout")?;
        Ok(Self { child, keys, screen, shown: String::new() })
    }

    /// Returns all that was shown so far, control sequences included.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Types keys.
    ///
    /// # Errors
    /// If the terminal is closed.
    pub async fn press(&mut self, keys: &str) -> anyhow::Result<()> {
        Ok(self.keys.write_all(keys.as_bytes()).await?)
    }

    /// Sends SIGTERM to the command, which `script` started.
    ///
    /// # Errors
    /// If it has ended.
    pub fn terminate(&self) -> anyhow::Result<()> {
        let script = self.child.id().context("`script` has ended")?;
        let path = format!("/proc/{script}/task/{script}/children");
        let children = std::fs::read_to_string(&path).context(path)?;
        let pid = children.split_whitespace().next().and_then(|it| it.parse().ok());
        let pid = pid.and_then(Pid::from_raw).context("the command has ended")?;
        Ok(kill_process(pid, Signal::TERM)?)
    }

    /// Presses Ctrl-C.
    ///
    /// # Errors
    /// If the terminal is closed.
    pub async fn press_ctrl_c(&mut self) -> anyhow::Result<()> {
        Ok(self.keys.write_all(CTRL_C).await?)
    }

    /// Reads until the terminal has shown `text`.
    ///
    /// # Errors
    /// If the command ends before, or does not show it within two minutes.
    pub async fn until(&mut self, text: &str) -> anyhow::Result<()> {
        let end = Instant::now() + UNTIL_LIMIT;
        while !self.shown.contains(text) {
            let what = || format!("no `{text}` within {UNTIL_LIMIT:?}");
            if self.read(end).await.with_context(what)? == 0 {
                bail!("it ended without `{text}`:\n{}", self.shown);
            }
        }
        Ok(())
    }

    /// Reads to the end; returns the exit code.
    ///
    /// # Errors
    /// If the command does not end within five minutes.
    pub async fn end(&mut self) -> anyhow::Result<i32> {
        let end = Instant::now() + END_LIMIT;
        let what = || format!("no end within {END_LIMIT:?}");
        while self.read(end).await.with_context(what)? > 0 {}
        let status = timeout_at(end, self.child.wait()).await.with_context(what)??;
        status.code().context("`script` was killed")
    }

    async fn read(&mut self, end: Instant) -> anyhow::Result<usize> {
        let mut bytes = [0; 4096];
        let count = timeout_at(end, self.screen.read(&mut bytes))
            .await
            .with_context(|| format!("it showed:\n{}", self.shown))??;
        self.shown += &String::from_utf8_lossy(&bytes[..count]);
        Ok(count)
    }
}
