//! Which process has a port: for the message when it cannot be bound. Linux only.

use std::collections::BTreeSet;
use std::path::Path;

/// Whose ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// `TCP_LISTEN` in `/proc/net/tcp`; a UDP socket that is only bound has 07 (`TCP_CLOSE`).
const LISTENING: [&str; 2] = ["0A", "07"];

/// Returns the holder as `name (pid)`, if this process may see it.
pub(crate) fn find(transport: Transport, port: u16) -> Option<String> {
    let tables = match transport {
        Transport::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
    };
    let inodes: BTreeSet<_> = tables
        .iter()
        .filter_map(|it| std::fs::read_to_string(it).ok())
        .flat_map(|it| inodes(&it, port))
        .collect();
    // Numbers only: `/proc/self` is a process, too, but no name for one.
    let is_pid = |it: &std::ffi::OsString| it.to_str().is_some_and(|it| it.parse::<u32>().is_ok());
    let processes = std::fs::read_dir("/proc").ok()?.flatten().filter(|it| is_pid(&it.file_name()));
    processes.map(|it| it.path()).find(|it| holds(it, &inodes)).and_then(|it| describe(&it))
}

/// Socket inodes that listen on `port`: columns `local_address`, `st` and `inode` (`proc_net_tcp.rst`).
fn inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let lines = table.lines().skip(1).map(|it| it.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|it| it.len() > 9 && it[1].ends_with(&suffix) && LISTENING.contains(&it[3]))
        .map(|it| format!("socket:[{}]", it[9]))
        .collect()
}

fn holds(process: &Path, inodes: &BTreeSet<String>) -> bool {
    let Ok(fds) = std::fs::read_dir(process.join("fd")) else { return false };
    let targets = fds.flatten().filter_map(|it| std::fs::read_link(it.path()).ok());
    targets.into_iter().any(|it| it.to_str().is_some_and(|it| inodes.contains(it)))
}

fn describe(process: &Path) -> Option<String> {
    let name = std::fs::read_to_string(process.join("comm")).ok()?;
    Some(format!("{} ({})", name.trim_end(), process.file_name()?.to_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listeners_on_the_port_are_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
           0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0\n\
           1: 0100007F:1F90 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0\n\
           2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0\n";
        assert_eq!(inodes(table, 8080), ["socket:[111]"]);
    }
}
