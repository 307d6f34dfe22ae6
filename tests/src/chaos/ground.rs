//! Where a run takes place: a network of its own, and a small disk of its own. Needs root.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, ensure};

/// Grounds of this process, counted.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A network namespace with nothing but loopback, and a disk in memory; both end with it.
pub(crate) struct Ground {
    name: String,
    disk: PathBuf,
}

impl Ground {
    /// Makes the network, and a disk of `disk_mib` at `folder`, which is made.
    ///
    /// # Errors
    /// If the system refuses either.
    pub(crate) fn new(folder: &Path, disk_mib: u32) -> anyhow::Result<Self> {
        let count = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("arena-{}-{count}", std::process::id());
        std::fs::create_dir_all(folder)?;
        let size = format!("size={disk_mib}m");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder))?;
        let ground = Self { name, disk: folder.to_owned() };
        run(Command::new("ip").args(["netns", "add", &ground.name]))?;
        run(ground.command("ip").args(["link", "set", "lo", "up"]))?;
        Ok(ground)
    }

    /// Returns the disk.
    pub(crate) fn disk(&self) -> &Path {
        &self.disk
    }

    /// Returns a command that runs in this network.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace().display())).arg("--").arg(program);
        command
    }

    /// Returns the processes in this network.
    pub(crate) fn pids(&self) -> anyhow::Result<Vec<i32>> {
        let output = run(Command::new("ip").args(["netns", "pids", &self.name]))?;
        Ok(output.lines().filter_map(|it| it.trim().parse().ok()).collect())
    }

    fn namespace(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // What is still there is left to a person to look at.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
        let _ = Command::new("umount").arg("--lazy").arg(&self.disk).status();
    }
}

/// Runs a command to its end and returns what it printed.
pub(super) fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
