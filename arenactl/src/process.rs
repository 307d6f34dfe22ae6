//! Processes named so that a reused pid is never mistaken for the old one.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// A pid and the clock ticks since boot at which that process began (`/proc/<pid>/stat`, field 22).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessId {
    /// The system's process id.
    pub pid: u32,
    /// Start time in clock ticks since boot; two processes never share both.
    pub started_ticks: u64,
}

impl ProcessId {
    /// Returns the identity of the running process `pid`; `None` if it is gone or a zombie.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        parse_stat(&stat).map(|started_ticks| Self { pid, started_ticks })
    }

    /// Returns the identity of this process.
    #[must_use]
    pub fn own() -> Self {
        Self::of(std::process::id()).expect("/proc is mounted and this process runs")
    }

    /// Says whether exactly this process still runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends `signal` if exactly this process still runs; returns whether it was sent.
    #[must_use]
    pub fn signal(self, signal: Signal) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        self.is_alive() && pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
    }
}

/// Returns the name of this machine.
#[must_use]
pub fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Returns the program name behind a pid, for messages.
#[must_use]
pub fn program_name(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim().to_owned())
}

/// Returns the process that listens on TCP `port`, where this user may see it.
///
/// Reads `/proc/net/tcp{,6}` for the inode, then every `/proc/<pid>/fd`: O(open files).
#[must_use]
pub fn tcp_listener(port: u16) -> Option<(u32, String)> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    let holds = |fd: &Path| {
        fs::read_link(fd).is_ok_and(|target| {
            let target = target.to_string_lossy();
            inodes.iter().any(|inode| target == format!("socket:[{inode}]"))
        })
    };
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let mut fds = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        fds.any(|fd| holds(&fd.path())).then(|| (pid, program_name(pid).unwrap_or_default()))
    })
}

/// Returns who listens on TCP `port`, in words.
#[must_use]
pub fn holder(port: u16) -> String {
    tcp_listener(port).map_or_else(
        || "another program".to_owned(),
        |(pid, program)| format!("`{program}` (pid {pid})"),
    )
}

/// proc(5): the columns are `sl local rem st … inode`, the port in hex, state `0A` = LISTEN.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns.len() > 9 && columns[1].ends_with(&suffix) && columns[3] == "0A")
        .map(|columns| columns[9].to_owned())
        .collect()
}

/// proc(5): the name in brackets may hold spaces and brackets; state is field 3, start time field 22.
fn parse_stat(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let is_running = !matches!(*fields.first()?, "Z" | "X");
    is_running.then(|| fields.get(19)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        assert_eq!(parse_stat(&format!("12 (a) b) {tail}")), Some(4711));
        assert_eq!(parse_stat(&format!("12 (a) {}", tail.replacen('S', "Z", 1))), None);
    }

    #[test]
    fn another_start_time_is_another_process() {
        let own = ProcessId::own();
        assert!(own.is_alive());
        let reused = ProcessId { started_ticks: own.started_ticks + 1, ..own };
        assert!(!reused.is_alive());
        assert!(!reused.signal(Signal::TERM));
    }

    #[test]
    fn the_holder_of_a_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(tcp_listener(port).unwrap().0, std::process::id());
    }
}
