//! What the kernel knows of this process, under the names Prometheus clients agree on.

use std::fmt::Write as _;

use crate::names::{Metric, PROCESS_CPU, PROCESS_FDS, PROCESS_MEMORY};

/// `sysconf(_SC_CLK_TCK)`: fixed at 100 in the kernel's interface to programs (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Prints what can be read; nothing where there is no `/proc`.
pub(crate) fn print() -> String {
    let mut text = String::new();
    if let Ok(stat) = std::fs::read_to_string("/proc/self/stat")
        && let Some(seconds) = cpu_seconds(&stat)
    {
        line(&mut text, &PROCESS_CPU, "counter", "_total", seconds);
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status")
        && let Some(kib) = resident_kib(&status)
    {
        line(&mut text, &PROCESS_MEMORY, "gauge", "", kib * 1024.0);
    }
    if let Ok(fds) = std::fs::read_dir("/proc/self/fd") {
        line(&mut text, &PROCESS_FDS, "gauge", "", fds.count() as f64);
    }
    text
}

fn line(text: &mut String, metric: &Metric, kind: &str, suffix: &str, value: f64) {
    let Metric { name, help, .. } = metric;
    write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{suffix} {value}\n")
        .expect("a String takes all");
}

/// Fields 14 and 15 of `/proc/<pid>/stat` (`proc_pid_stat(5)`); the name, field 2, may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

fn resident_kib(status: &str) -> Option<f64> {
    status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_named_like_fields_is_still_read() {
        let stat = "7 (a ) 1 2) S 1 1 1 0 -1 4194304 90 0 0 0 250 50 0 0 20 0 1 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(resident_kib("Name:\ta\nVmRSS:\t  2048 kB\n"), Some(2048.0));
    }
}
