//! Processes that outlive the command that started them, found again by id and start time.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::process::Command;

/// Longest wait for a killed process: a node takes its containers with it.
const END_LIMIT: Duration = Duration::from_secs(20);

/// A process of a lab. A later process with the same id has another start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tracked {
    pid: i32,
    /// Clock ticks since boot: field 22 of `/proc/<pid>/stat`, proc(5).
    started: u64,
}

impl Tracked {
    /// Returns the running process `pid`; `None` if there is none, or one that only waits to be reaped.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in brackets, may hold anything: fields are counted from its end, the state first.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let started = fields.get(19)?.parse().ok()?;
        (fields[0] != "Z").then_some(Self { pid, started })
    }

    /// Starts `command` in a session of its own, its output appended to `log`, and notes it in `file`.
    pub(crate) fn start(command: &mut Command, log: &Path, file: &Path) -> anyhow::Result<Self> {
        let log = fs::File::options().create(true).append(true).open(log)?;
        let output = log.try_clone()?;
        let child = command.stdin(Stdio::null()).stdout(output).stderr(log).spawn();
        let child = child.with_context(|| {
            format!("cannot start {:?}: `make deps-lab` installs what is missing", command.as_std())
        })?;
        Self::note(child.id().and_then(|it| i32::try_from(it).ok()).unwrap_or_default(), file)
    }

    /// Writes down that the process `pid` is a lab's.
    pub(crate) fn note(pid: i32, file: &Path) -> anyhow::Result<Self> {
        let tracked = Self::of(pid).with_context(|| format!("process {pid} ended at once"))?;
        tracked.write(file)?;
        Ok(tracked)
    }

    /// Notes it in `file`.
    pub(crate) fn write(self, file: &Path) -> std::io::Result<()> {
        fs::write(file, format!("{} {}\n", self.pid, self.started))
    }

    /// Returns the process noted in `file`, if it still runs.
    pub(crate) fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let (pid, started) = text.trim_end().split_once(' ')?;
        let noted = Self { pid: pid.parse().ok()?, started: started.parse().ok()? };
        noted.is_alive().then_some(noted)
    }

    /// Returns the process that runs this code.
    pub(crate) fn this() -> Option<Self> {
        Self::of(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// Returns the process's id, as this process sees it.
    pub(crate) const fn pid(self) -> i32 {
        self.pid
    }

    /// Tells whether it still runs.
    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Kills it and waits until it is gone. One that is gone already is none of our business.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        let Some(handle) = self.signal(Signal::KILL)? else { return Ok(()) };
        let mut ends = [PollFd::new(&handle, PollFlags::IN)];
        let limit = Timespec::try_from(END_LIMIT).context("the limit fits")?;
        ensure!(poll(&mut ends, Some(&limit))? > 0, "process {} does not end", self.pid);
        Ok(())
    }

    /// Sends it `signal` and returns a handle, or `None` if it is gone.
    pub(crate) fn signal(self, signal: Signal) -> anyhow::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Ok(None),
            handle => handle?,
        };
        // The handle holds the process fast: only now does the start time prove that it is ours.
        if !self.is_alive() {
            return Ok(None);
        }
        match pidfd_send_signal(&handle, signal) {
            Err(Errno::SRCH) => Ok(None),
            sent => Ok(sent.map(|()| Some(handle))?),
        }
    }
}
