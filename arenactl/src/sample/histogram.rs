//! Prometheus histograms of durations, and quantiles of what came between two looks at one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The histogram of the time that a tick of all matches of one thread took.
pub(crate) const TICKS: &str = "arena_game_tick_seconds";

/// A histogram as Prometheus exports it: counts since the process started, each with all smaller ones in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// By upper bound, the infinite one last.
    buckets: Vec<Bucket>,
}

/// How many observations were at most so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Bucket {
    /// `None` is infinity.
    upper_ns: Option<u64>,
    count: u64,
}

/// Where a quantile lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    /// About here: inside a bucket observations are taken to be spread evenly.
    At(Duration),
    /// Above the largest bound, this one.
    Above(Duration),
}

impl Histogram {
    /// Reads the histogram `name` from an exposition; `None` if it is not in it, or has no infinite bucket.
    #[must_use]
    pub fn parse(exposition: &str, name: &str) -> Option<Self> {
        let buckets = exposition.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?.strip_prefix("_bucket{")?;
            let (labels, count) = rest.split_once("} ")?;
            let bound = labels.split(',').find_map(|it| it.strip_prefix("le=\""))?;
            let upper_ns = match bound.trim_end_matches('"') {
                "+Inf" => None,
                seconds => Some((seconds.parse::<f64>().ok()? * 1e9).round() as u64),
            };
            let count = count.split_whitespace().next()?.parse::<f64>().ok()? as u64;
            Some(Bucket { upper_ns, count })
        });
        let mut buckets: Vec<Bucket> = buckets.collect();
        buckets.sort_by_key(|it| it.upper_ns.unwrap_or(u64::MAX));
        let is_whole = buckets.last().is_some_and(|it| it.upper_ns.is_none());
        is_whole.then_some(Self { buckets })
    }

    /// Returns what came since `earlier`; all of it if the process was started anew in between.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let pairs = || self.buckets.iter().zip(&earlier.buckets);
        let goes_on = self.buckets.len() == earlier.buckets.len()
            && pairs().all(|(now, then)| now.upper_ns == then.upper_ns && now.count >= then.count);
        if !goes_on {
            return self.clone();
        }
        let newer = |(now, then): (&Bucket, &Bucket)| Bucket {
            upper_ns: now.upper_ns,
            count: now.count - then.count,
        };
        Self { buckets: pairs().map(newer).collect() }
    }

    /// Returns the quantile at `percent`; `None` if nothing was observed.
    ///
    /// As Prometheus' `histogram_quantile`: linear inside the bucket in which the observation of that rank lies.
    #[must_use]
    pub fn quantile(&self, percent: u64) -> Option<Quantile> {
        let total = self.buckets.last().map(|it| it.count).filter(|count| *count > 0)?;
        let rank = (total * percent).div_ceil(100).max(1);
        let (mut below_ns, mut below_count) = (0, 0);
        for Bucket { upper_ns, count } in &self.buckets {
            let Some(upper_ns) = *upper_ns else { break };
            if *count >= rank {
                let part = (rank - below_count) as f64 / (count - below_count) as f64;
                let inside = (upper_ns - below_ns) as f64 * part;
                return Some(Quantile::At(Duration::from_nanos(below_ns + inside as u64)));
            }
            (below_ns, below_count) = (upper_ns, *count);
        }
        Some(Quantile::Above(Duration::from_nanos(below_ns)))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    const BOUNDS: [&str; 4] = ["0.001", "0.004", "0.0167", "+Inf"];

    fn histogram(counts: [u64; 4]) -> Histogram {
        let mut text = String::from("# TYPE ticks histogram\nticks_sum 1.5\n");
        for (bound, count) in BOUNDS.iter().zip(counts) {
            writeln!(text, "ticks_bucket{{le=\"{bound}\"}} {count}").unwrap();
        }
        Histogram::parse(&(text + "ticks_count 9\nticks_other_bucket{le=\"9\"} 7\n"), "ticks")
            .unwrap()
    }

    const fn at_us(us: u64) -> Quantile {
        Quantile::At(Duration::from_micros(us))
    }

    #[test]
    fn the_quantile_lies_in_the_bucket_of_its_rank() {
        for (counts, expected) in [
            ([0, 0, 0, 0], None),
            ([100, 100, 100, 100], Some(at_us(990))),
            ([0, 100, 100, 100], Some(at_us(3_970))),
            ([98, 100, 100, 100], Some(at_us(2_500))),
            ([1, 1, 1, 1], Some(at_us(1_000))),
            ([50, 75, 100, 100], Some(at_us(16_192))),
            ([50, 60, 90, 100], Some(Quantile::Above(Duration::from_micros(16_700)))),
        ] {
            let found = histogram(counts).quantile(99);
            let rounded = match found {
                Some(Quantile::At(it)) => Some(at_us((it.as_nanos() as u64 + 500) / 1_000)),
                other => other,
            };
            assert_eq!(rounded, expected, "{counts:?}");
        }
    }

    #[test]
    fn only_what_came_in_between_counts() {
        let (then, now) = (histogram([100, 100, 100, 100]), histogram([100, 160, 160, 160]));
        assert_eq!(now.since(&then).quantile(50), Some(at_us(2_500)));
        assert_eq!(then.since(&then).quantile(50), None, "nothing ticked");
        assert_eq!(then.since(&now), then, "it was started anew");
    }

    #[test]
    fn what_is_not_there_or_not_whole_is_none() {
        assert_eq!(Histogram::parse("", "ticks"), None);
        assert_eq!(Histogram::parse("ticks_bucket{le=\"0.001\"} 3\n", "ticks"), None);
        assert_eq!(Histogram::parse("ticks_bucket{le=\"+Inf\"} many\n", "ticks"), None);
    }

    #[test]
    fn the_histogram_is_the_one_that_games_export() {
        assert_eq!(TICKS, arena_telemetry::names::GAME_TICK.name);
    }

    proptest! {
        #[test]
        fn a_higher_percentage_is_never_sooner(
            steps in prop::array::uniform4(0..50_u64),
            (low, high) in (1..=100_u64, 1..=100_u64),
        ) {
            let mut sum = 0;
            let found = histogram(steps.map(|it| { sum += it; sum }));
            let ns = |percent| match found.quantile(percent) {
                None => 0,
                Some(Quantile::At(it)) => it.as_nanos(),
                Some(Quantile::Above(it)) => it.as_nanos() + 1,
            };
            prop_assert!(ns(low.min(high)) <= ns(low.max(high)));
        }
    }
}
