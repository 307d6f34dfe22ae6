//! CPU time of the region's processes and of the bots themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::time::{ClockId, clock_gettime};

/// Samples of a run, one a second for four hours; later ones replace the last.
const SAMPLES_MAX: usize = 4 * 3_600;
/// The variable that names an instance's program, and the one that says which region it belongs to.
const SERVICE: &[u8] = b"ARENA_SERVICE";
const IDENTITY_FOLDER: &[u8] = b"ARENA_IDENTITY_DIR";
/// A process that is none of the region's may become one, when it turns from who started it into its program; it is
/// looked at so often.
const LOOKS_MAX: u32 = 5;
/// What the bots are called among the programs.
const BOTS: &str = "arena-load";

/// Whose CPU time is looked at: instances whose identity lies below a folder, the state of a region.
#[derive(Debug)]
pub(crate) struct Cpu {
    folder: Option<PathBuf>,
    known: BTreeMap<u32, Known>,
}

/// A process that was looked at.
#[derive(Debug, Default)]
struct Known {
    /// `None` while it is none of the region's.
    service: Option<String>,
    looks: u32,
}

/// CPU seconds of each process at some moments.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuLog {
    samples: Vec<Sample>,
}

#[derive(Clone, Debug, Default)]
struct Sample {
    at_ms: u64,
    /// Seconds since the process began, by service and process.
    used_s: BTreeMap<(String, u32), f64>,
}

impl Cpu {
    pub(crate) fn new(folder: Option<&Path>) -> Self {
        Self { folder: folder.map(canonical), known: BTreeMap::new() }
    }

    /// Looks at all processes; those of the bots are those of the calling thread.
    pub(crate) fn sample(&mut self, log: &mut CpuLog, at_ms: u64) {
        let mut sample = Sample { at_ms, ..Sample::default() };
        let own = clock_gettime(ClockId::ThreadCPUTime);
        let own_s = own.tv_sec as f64 + own.tv_nsec as f64 / 1e9;
        sample.used_s.insert((BOTS.to_owned(), 0), own_s);
        if let Some(folder) = &self.folder {
            let processes: BTreeSet<u32> = processes().collect();
            self.known.retain(|pid, _| processes.contains(pid));
            for pid in processes {
                let known = self.known.entry(pid).or_default();
                known.look(pid, folder);
                let Some(service) = known.service.clone() else { continue };
                if let Some(used_s) = cpu_time_s(pid) {
                    sample.used_s.insert((service, pid), used_s);
                }
            }
        }
        log.push(sample);
    }
}

impl Known {
    fn look(&mut self, pid: u32, folder: &Path) {
        if self.service.is_none() && self.looks < LOOKS_MAX {
            self.looks += 1;
            self.service = service(pid, folder);
        }
    }
}

impl CpuLog {
    fn push(&mut self, sample: Sample) {
        if self.samples.len() >= SAMPLES_MAX {
            self.samples.pop();
        }
        self.samples.push(sample);
    }

    /// Returns the CPU seconds of each program between two moments, as far as samples tell: what was used before the
    /// first one is nobody's, and a process that ended is missing what it used after the last one.
    pub(crate) fn between(&self, from_ms: u64, to_ms: u64) -> BTreeMap<String, f64> {
        let from_ms = from_ms.max(self.samples.first().map_or(0, |it| it.at_ms));
        let before: BTreeMap<_, _> = self
            .samples
            .iter()
            .filter(|it| it.at_ms <= from_ms)
            .flat_map(|it| &it.used_s)
            .collect();
        let until: BTreeMap<_, _> =
            self.samples.iter().filter(|it| it.at_ms <= to_ms).flat_map(|it| &it.used_s).collect();
        let mut by_program = BTreeMap::<String, f64>::new();
        for (process, used_s) in until {
            let began_s = before.get(process).copied().unwrap_or(&0.0);
            *by_program.entry(process.0.clone()).or_default() += used_s - began_s;
        }
        for used_s in by_program.values_mut() {
            *used_s = (*used_s * 100.0).round() / 100.0;
        }
        by_program
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok())
}

/// Returns the service of a process if it is an instance of the region in `folder`. A process that is gone, or
/// another user's, is none.
fn service(pid: u32, folder: &Path) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |name: &[u8]| {
        let mut variables = environment.split(|it| *it == 0);
        variables.find_map(|it| it.strip_prefix(name)?.strip_prefix(b"="))
    };
    let identity = canonical(Path::new(OsStr::from_bytes(value(IDENTITY_FOLDER)?)));
    let name = String::from_utf8(value(SERVICE)?.to_vec()).ok()?;
    identity.starts_with(folder).then_some(name)
}

/// Returns a path without links and dots; of what is not there, the path as it is.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Returns the user and system seconds that processes have used, together; `None` if one of them has ended.
#[must_use]
pub fn cpu_times_s(pids: &[u32]) -> Option<f64> {
    pids.iter().map(|it| cpu_time_s(*it)).sum()
}

/// Returns the user and system time of a process so far, in seconds: fields 14 and 15 of `/proc/<pid>/stat` (proc(5));
/// `None` if it is gone.
#[must_use]
pub fn cpu_time_s(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    fn sample(at_ms: u64, used: &[(&str, u32, f64)]) -> Sample {
        let used_s = used.iter().map(|(name, pid, s)| (((*name).to_owned(), *pid), *s)).collect();
        Sample { at_ms, used_s }
    }

    #[test]
    fn a_window_has_what_was_used_in_it_by_those_who_came_and_went_too() {
        type Case<'a> = (u64, u64, &'a [(&'a str, f64)]);
        let mut log = CpuLog::default();
        log.push(sample(0, &[("game", 1, 5.0)]));
        log.push(sample(1_000, &[("game", 1, 6.0), ("game", 2, 0.5)]));
        log.push(sample(2_000, &[("game", 2, 2.0), ("gateway", 3, 0.25)]));
        let cases: [Case<'_>; 4] = [
            (0, 1_000, &[("game", 1.5)]),
            (0, 2_500, &[("game", 3.0), ("gateway", 0.25)]),
            (1_000, 2_000, &[("game", 1.5), ("gateway", 0.25)]),
            (2_000, 3_000, &[("game", 0.0), ("gateway", 0.0)]),
        ];
        let mut late = CpuLog::default();
        late.push(sample(7, &[("game", 1, 5.0)]));
        late.push(sample(1_000, &[("game", 1, 6.0)]));
        let used_s = late.between(0, 1_000)["game"];
        assert!((used_s - 1.0).abs() < 1e-9, "what it used before anybody looked: {used_s}");
        for (from_ms, to_ms, expected) in cases {
            let expected = expected.iter().map(|(name, s)| ((*name).to_owned(), *s)).collect();
            assert_eq!(log.between(from_ms, to_ms), expected, "{from_ms} to {to_ms}");
        }
    }

    #[test]
    fn a_process_of_the_region_is_found_and_one_of_another_is_not() {
        let spin = |folder: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "while :; do :; done"]).env("ARENA_SERVICE", "game");
            command.env("ARENA_IDENTITY_DIR", folder).stdin(Stdio::null()).spawn().unwrap()
        };
        let (mut ours, mut other) = (spin("/nowhere/ours/identity"), spin("/nowhere/other"));
        let mut cpu = Cpu::new(Some(Path::new("/nowhere/ours")));
        let mut log = CpuLog::default();
        let (end, mut at_ms) = (Instant::now() + Duration::from_secs(20), 0);
        let seen = loop {
            cpu.sample(&mut log, at_ms);
            let seen = log.between(0, at_ms);
            at_ms += 1;
            // Both are counted in hundredths of a second; ours may come later than the other's first.
            let counted = |name: &str| seen.get(name).is_some_and(|it| *it > 0.0);
            if counted("game") && counted(BOTS) || Instant::now() > end {
                break seen;
            }
        };
        for child in [&mut ours, &mut other] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(seen["game"] > 0.0 && seen[BOTS] > 0.0, "{seen:?}");
        assert_eq!(log.samples.last().unwrap().used_s.len(), 2, "the other region's is not ours");
    }
}
