//! Programs run to their end: what they print is the answer or the error.

use std::ffi::OsStr;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

/// Longest run of one program; the push of a large image takes seconds.
const LIMIT: Duration = Duration::from_mins(5);

/// Runs `program` to its end and returns what it printed, without the last line break.
pub(crate) async fn run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.args(args);
    run_command(command).await
}

/// Runs `command` to its end and returns what it printed, without the last line break.
pub(crate) async fn run_command(mut command: Command) -> anyhow::Result<String> {
    let shown = format!("{:?}", command.as_std());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, output)
        .await
        .with_context(|| format!("{shown} ran longer than {LIMIT:?}"))?
        .with_context(|| format!("cannot run {shown}: `make deps-lab` installs what is missing"))?;
    printed(&shown, &output)
}

/// As [`run`], where nothing may wait: for what a drop does.
pub(crate) fn run_now(program: &str, args: &[&str]) -> anyhow::Result<String> {
    let mut command = std::process::Command::new(program);
    command.args(args).stdin(Stdio::null());
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("cannot run {shown}"))?;
    printed(&shown, &output)
}

fn printed(shown: &str, output: &Output) -> anyhow::Result<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown}: {}: {}", output.status, errors.trim_end());
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
