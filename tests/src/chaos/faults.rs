//! Makes things break, and whole again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::ground::{Ground, run};
use super::plan::{Fault, Part, Scope};

/// A slow store stands still for the first and runs for the second.
const STILL: Duration = Duration::from_millis(80);
const RUNS: Duration = Duration::from_millis(30);
/// Share of packets that are lost.
const LOSS: &str = "0.3";
/// A disk is filled in pieces of this size.
const PIECE: usize = 16 * 1024;

/// What is broken now.
pub(super) struct Faults<'a> {
    ground: &'a Ground,
    state: PathBuf,
    stopped: Vec<(Fault, i32)>,
    slow: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl<'a> Faults<'a> {
    pub(super) fn new(ground: &'a Ground, state: &Path) -> Self {
        Self { ground, state: state.to_owned(), stopped: Vec::new(), slow: None }
    }

    /// Returns the folder with a file for each game instance that says how far its clock is stepped.
    pub(super) fn clocks(state: &Path) -> PathBuf {
        state.join("clocks")
    }

    /// Breaks something. What is not there cannot break: nothing happens then.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn begin(&mut self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Kill(part) => {
                if let Some(pid) = self.pids(part)?.first() {
                    signal(*pid, Signal::KILL);
                }
            }
            Fault::Stop(part) => {
                if let Some(pid) = self.pids(part)?.first() {
                    signal(*pid, Signal::STOP);
                    self.stopped.push((fault, *pid));
                }
            }
            Fault::Cut(scope, a, b) => self.block(scope, (a, b), &[])?,
            Fault::Loss(scope, a, b) => {
                let how = ["-m", "statistic", "--mode", "random", "--probability", LOSS];
                self.block(scope, (a, b), &how)?;
            }
            Fault::SlowStore => self.slow_store()?,
            Fault::FullDisk => fill(&self.filling())?,
            Fault::Clock(step_s) => {
                let instance = self.pids(Part::Game)?.first().and_then(|it| instance(*it));
                if let Some(instance) = instance {
                    let file = Self::clocks(&self.state).join(instance);
                    fs::write(file, format!("{step_s:+}s"))?;
                }
            }
            Fault::KillArenactl => {}
        }
        Ok(())
    }

    /// Mends one thing.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) async fn end(&mut self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Stop(_) => self.go_on(|it| it == fault),
            Fault::Cut(..) | Fault::Loss(..) => self.unblock()?,
            Fault::SlowStore => self.fast_store().await,
            Fault::FullDisk => empty(&self.filling())?,
            Fault::Clock(_) => self.set_clocks()?,
            Fault::Kill(_) | Fault::KillArenactl => {}
        }
        Ok(())
    }

    /// Mends everything.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) async fn heal(&mut self) -> anyhow::Result<()> {
        self.go_on(|_| true);
        self.fast_store().await;
        self.unblock()?;
        empty(&self.filling())
    }

    fn set_clocks(&self) -> anyhow::Result<()> {
        for file in fs::read_dir(Self::clocks(&self.state))? {
            fs::write(file?.path(), "+0")?;
        }
        Ok(())
    }

    fn go_on(&mut self, is_meant: impl Fn(Fault) -> bool) {
        self.stopped.retain(|(fault, pid)| {
            let meant = is_meant(*fault);
            if meant {
                signal(*pid, Signal::CONT);
            }
            !meant
        });
    }

    /// Returns the processes of a service, oldest first.
    fn pids(&self, part: Part) -> anyhow::Result<Vec<i32>> {
        let mut pids = self.ground.pids()?;
        pids.retain(|pid| variable(*pid, "ARENA_SERVICE").is_some_and(|it| it == part.name()));
        pids.sort_unstable();
        Ok(pids)
    }

    /// Drops packets between two parts, both ways: all that also match `how`.
    fn block(&self, scope: Scope, (a, b): (Part, Part), how: &[&str]) -> anyhow::Result<()> {
        let (mut a, mut b) = (self.pids(a)?, self.pids(b)?);
        if scope == Scope::One {
            // The oldest and the newest: of one part they are two, or it has but one.
            a.truncate(1);
            b = b.split_off(b.len().saturating_sub(1));
        }
        if a == b {
            return Ok(());
        }
        let (a, b) = (ports(&a), ports(&b));
        for (from, to) in [(&a, &b), (&b, &a)] {
            for ((protocol, source), (other, destination)) in
                from.iter().flat_map(|it| to.iter().map(move |to| (it, to)))
            {
                if protocol != other {
                    continue;
                }
                run(self
                    .ground
                    .command("iptables")
                    .args(["-w", "-A", "INPUT", "-p", protocol])
                    .args(["--sport", &source.to_string(), "--dport", &destination.to_string()])
                    .args(how)
                    .args(["-j", "DROP"]))?;
            }
        }
        Ok(())
    }

    fn unblock(&self) -> anyhow::Result<()> {
        run(self.ground.command("iptables").args(["-w", "-F", "INPUT"])).map(|_| ())
    }

    fn slow_store(&mut self) -> anyhow::Result<()> {
        let Some(pid) = self.pids(Part::Store)?.first().copied() else { return Ok(()) };
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let pulses = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                signal(pid, Signal::STOP);
                sleep(STILL).await;
                signal(pid, Signal::CONT);
                sleep(RUNS).await;
            }
        });
        self.slow = Some((is_over, pulses));
        Ok(())
    }

    async fn fast_store(&mut self) {
        if let Some((is_over, pulses)) = self.slow.take() {
            is_over.store(true, Ordering::Relaxed);
            let _ = pulses.await; // it cannot panic
        }
    }

    fn filling(&self) -> PathBuf {
        self.ground.disk().join("filling")
    }
}

impl Drop for Faults<'_> {
    fn drop(&mut self) {
        // A run that failed leaves nothing that stands still.
        self.go_on(|_| true);
        if let Some((is_over, _)) = self.slow.take() {
            is_over.store(true, Ordering::Relaxed);
        }
    }
}

/// Returns the ports of these processes' sockets.
fn ports(pids: &[i32]) -> BTreeSet<(&'static str, u16)> {
    let mut ports = BTreeSet::new();
    for pid in pids {
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        let sockets: BTreeSet<String> = open
            .filter_map(|it| fs::read_link(it.ok()?.path()).ok())
            .filter_map(|it| {
                Some(it.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
            })
            .collect();
        for (protocol, table) in [("udp", "udp"), ("udp", "udp6"), ("tcp", "tcp"), ("tcp", "tcp6")]
        {
            let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
            for line in table.lines().skip(1) {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let (Some(local), Some(inode)) = (fields.get(1), fields.get(9)) else {
                    continue;
                };
                let port = local.rsplit(':').next().and_then(|it| u16::from_str_radix(it, 16).ok());
                if let Some(port) = port.filter(|_| sockets.contains(*inode)) {
                    ports.insert((protocol, port));
                }
            }
        }
    }
    ports
}

/// Returns a variable that a process was started with.
fn variable(pid: i32, name: &str) -> Option<String> {
    let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut found = variables.split(|it| *it == 0).filter_map(|it| {
        std::str::from_utf8(it).ok()?.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
    });
    found.next()
}

/// Returns the name of a process's instance.
fn instance(pid: i32) -> Option<String> {
    variable(pid, "ARENA_INSTANCE")
}

/// Sends a signal; who is gone does not need it.
fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

fn fill(file: &Path) -> anyhow::Result<()> {
    let mut file = File::create(file)?;
    while file.write_all(&vec![0; PIECE]).is_ok() {}
    Ok(())
}

fn empty(file: &Path) -> anyhow::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
