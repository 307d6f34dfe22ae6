//! How figures are kept: medians with their spread, a file a bench, and the same as a table.
//!
//! A bench measures several runs, hands them over as [`Samples`], and ends with [`Bench::finish`]. Where a
//! figure is compared, the baseline is measured in the same run: ratios survive a busy machine, wall
//! times do not, so prefer CPU time ([`thread_cpu_time`], [`process_cpu_time`]).
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use std::{fs, io};

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// The measurements of one figure, one a run.
#[derive(Clone, Debug)]
pub struct Samples(Vec<f64>);

/// One figure of a bench.
#[derive(Clone, Debug)]
pub struct Record {
    metric: &'static str,
    unit: &'static str,
    samples: Samples,
    baseline: Option<(&'static str, f64)>,
}

/// A bench's figures so far.
#[derive(Debug)]
pub struct Bench {
    name: &'static str,
    device: Option<String>,
    records: Vec<Record>,
}

impl Samples {
    /// Returns samples in ascending order.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn new(mut runs: Vec<f64>) -> Self {
        assert!(!runs.is_empty(), "a figure needs at least one run");
        runs.sort_by(f64::total_cmp);
        Self(runs)
    }

    /// Returns a figure that is counted, not measured: one run, no spread.
    #[must_use]
    pub fn exact(value: f64) -> Self {
        Self(vec![value])
    }

    /// Measures `runs` times.
    #[must_use]
    pub fn measure(runs: usize, mut run: impl FnMut() -> f64) -> Self {
        Self::new((0..runs).map(|_| run()).collect())
    }

    /// Returns the same runs in another unit or turned into a rate.
    #[must_use]
    pub fn map(&self, convert: impl Fn(f64) -> f64) -> Self {
        Self::new(self.0.iter().copied().map(convert).collect())
    }

    /// Returns the middle run, the upper one of two.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// Returns the least and the greatest run.
    #[must_use]
    pub fn spread(&self) -> [f64; 2] {
        [self.0[0], self.0[self.0.len() - 1]]
    }

    /// Returns the number of runs.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.0.len()
    }
}

impl Record {
    fn ratio(&self) -> Option<f64> {
        let (_, median) = self.baseline?;
        (median != 0.0).then(|| self.samples.median() / median)
    }

    fn to_json(&self, bench: &str) -> Value {
        let mut record = json!({
            "bench": bench, "metric": self.metric,
            "value": tidy(self.samples.median()), "unit": self.unit,
        });
        if let (Some((name, _)), Some(ratio)) = (self.baseline, self.ratio()) {
            record["baseline"] = json!(name);
            record["ratio"] = json!(tidy(ratio));
        }
        record["runs"] = json!(self.samples.runs());
        record["spread"] = json!(self.samples.spread().map(tidy));
        record
    }
}

impl Bench {
    /// Starts a bench; `name` becomes the file's name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, device: None, records: Vec::new() }
    }

    /// Says what was measured, where that is not this machine's processor.
    pub fn on(&mut self, device: &impl ToString) {
        self.device = Some(device.to_string());
    }

    /// Adds a figure.
    pub fn record(&mut self, metric: &'static str, unit: &'static str, samples: Samples) {
        self.records.push(Record { metric, unit, samples, baseline: None });
    }

    /// Adds a figure with its baseline; the ratio is figure / baseline, by medians.
    pub fn record_against(
        &mut self,
        metric: &'static str,
        unit: &'static str,
        samples: Samples,
        baseline: (&'static str, &Samples),
    ) {
        let baseline = Some((baseline.0, baseline.1.median()));
        self.records.push(Record { metric, unit, samples, baseline });
    }

    /// Writes `target/bench/<name>.json`, prints the table, and returns the file's path.
    ///
    /// # Errors
    /// If the file cannot be written.
    #[expect(clippy::print_stdout, reason = "the table is what a bench is run for")]
    pub fn finish(self) -> io::Result<PathBuf> {
        let folder = target_folder().join("bench");
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", self.name));
        let lines: Vec<String> =
            self.records.iter().map(|it| format!("  {}", self.to_json(it))).collect();
        fs::write(&path, format!("[\n{}\n]\n", lines.join(",\n")))?;
        println!("{}", self.table());
        Ok(path)
    }

    fn to_json(&self, record: &Record) -> Value {
        let mut record = record.to_json(self.name);
        if let Some(device) = &self.device {
            record["device"] = json!(device);
        }
        record
    }

    /// Returns the figures as a table, one a line.
    #[must_use]
    pub fn table(&self) -> String {
        let width = self.records.iter().map(|it| it.metric.len()).max().unwrap_or(0);
        let device = self.device.as_ref().map(|it| format!(" on {it}")).unwrap_or_default();
        let mut table = format!("{}{device}\n", self.name);
        for record in &self.records {
            let [least, most] = record.samples.spread().map(tidy);
            let value = tidy(record.samples.median());
            let _ = write!(table, "  {:width$}  {value:>12} {}", record.metric, record.unit);
            if record.samples.runs() > 1 {
                let _ = write!(table, "  [{least} to {most}, {} runs]", record.samples.runs());
            }
            if let (Some((name, _)), Some(ratio)) = (record.baseline, record.ratio()) {
                let _ = write!(table, "  {} x {name}", tidy(ratio));
            }
            table.push('\n');
        }
        table
    }
}

/// Returns the number that an environment variable sets, for example `ARENA_BENCH_PLAYERS`, or `default` without it.
///
/// # Errors
/// If it is set to something else.
pub fn variable<T>(name: &str, default: T) -> anyhow::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text} is no whole number")),
        Err(_) => Ok(default),
    }
}

/// Returns the CPU time this thread has used: what others do on the machine hardly disturbs it.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

/// Returns the CPU seconds of this thread that `work` takes.
pub fn thread_cpu_seconds(work: impl FnOnce()) -> f64 {
    let before = thread_cpu_time();
    work();
    thread_cpu_time().saturating_sub(before).as_secs_f64()
}

/// Returns the CPU time this process has used, all threads together.
#[must_use]
pub fn process_cpu_time() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Keeps four digits that mean something; whole numbers stay whole.
fn tidy(value: f64) -> f64 {
    if value == 0.0 || value.fract() == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = (3 - value.abs().log10().floor() as i32).max(0);
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

fn target_folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::{Bench, Samples, tidy};

    #[test]
    fn a_figure_is_its_median_with_spread_and_ratio() {
        let mut bench = Bench::new("demo");
        let baseline = Samples::new(vec![2.0, 4.0, 3.0]);
        bench.record_against(
            "rate",
            "1/s",
            Samples::new(vec![9.0, 6.123_45, 7.5]),
            ("slow", &baseline),
        );
        bench.record("mismatches", "ticks", Samples::exact(0.0));
        let json = bench.records[0].to_json("demo");
        assert_eq!(
            json.to_string(),
            r#"{"bench":"demo","metric":"rate","value":7.5,"unit":"1/s","baseline":"slow","ratio":2.5,"runs":3,"spread":[6.123,9.0]}"#
        );
        expect_test::expect![[r"
            demo
              rate                 7.5 1/s  [6.123 to 9, 3 runs]  2.5 x slow
              mismatches             0 ticks
        "]]
        .assert_eq(&bench.table());
    }

    #[test]
    fn numbers_are_shown_with_four_digits() {
        for (value, shown) in
            [(8912.4, 8912.0), (1.234_56, 1.235), (0.001_234_56, 0.001_235), (0.0, 0.0)]
        {
            assert!((tidy(value) - shown).abs() < 1e-12, "{value}");
        }
    }
}
