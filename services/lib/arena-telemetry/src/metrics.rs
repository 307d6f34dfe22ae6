use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric as Exported, Registry};

use crate::names::{Kind, Metric};
use crate::process;

/// The labels of one series, in the order of [`Metric::labels`].
pub type Label = Vec<(&'static str, String)>;

/// The metrics of a process. Cheap to clone; every clone is the same registry.
///
/// A metric is made once, from its declaration in [`crate::names`], and kept by who counts:
/// what is returned shares its numbers with the registry.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    registry: Registry,
    made: BTreeSet<&'static str>,
}

impl Metrics {
    /// Makes an empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a counter without labels.
    ///
    /// # Panics
    /// Here and below if `metric` is declared as something else or was made before.
    #[must_use]
    pub fn counter(&self, metric: &Metric) -> Counter {
        assert!(metric.kind == Kind::Counter && metric.labels.is_empty(), "{metric:?}");
        self.export(metric, Counter::default())
    }

    /// Makes a gauge without labels.
    #[must_use]
    pub fn gauge(&self, metric: &Metric) -> Gauge {
        assert!(metric.kind == Kind::Gauge && metric.labels.is_empty(), "{metric:?}");
        self.export(metric, Gauge::default())
    }

    /// Makes a histogram without labels over the declared bounds.
    #[must_use]
    pub fn histogram(&self, metric: &Metric) -> Histogram {
        assert!(metric.labels.is_empty(), "{metric:?}");
        self.export(metric, Bounds::of(metric).new_metric())
    }

    /// Makes a counter with labels; look a series up with [`Metric::series`].
    #[must_use]
    pub fn counters(&self, metric: &Metric) -> Family<Label, Counter> {
        assert!(metric.kind == Kind::Counter && !metric.labels.is_empty(), "{metric:?}");
        self.export(metric, Family::default())
    }

    /// Makes a gauge with labels.
    #[must_use]
    pub fn gauges(&self, metric: &Metric) -> Family<Label, Gauge> {
        assert!(metric.kind == Kind::Gauge && !metric.labels.is_empty(), "{metric:?}");
        self.export(metric, Family::default())
    }

    /// Makes a histogram with labels.
    #[must_use]
    pub fn histograms(&self, metric: &Metric) -> Family<Label, Histogram, Bounds> {
        assert!(!metric.labels.is_empty(), "{metric:?}");
        self.export(metric, Family::new_with_constructor(Bounds::of(metric)))
    }

    /// Prints everything as `OpenMetrics` text, the figures of the process included.
    #[must_use]
    pub fn print(&self) -> String {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        encode(&mut text, &inner.registry).expect("a String takes all");
        let end = text.rfind("# EOF").unwrap_or(text.len());
        text.insert_str(end, &process::print());
        text
    }

    fn export<M: Exported + Clone>(&self, metric: &Metric, made: M) -> M {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(inner.made.insert(metric.name), "{} is made twice", metric.name);
        // The registry ends each help with a full stop of its own.
        inner.registry.register(metric.name, metric.help.trim_end_matches('.'), made.clone());
        made
    }
}

impl Metric {
    /// Names one series of this metric.
    ///
    /// # Panics
    /// If there are not as many values as declared labels.
    #[must_use]
    pub fn series<const N: usize>(&self, values: [&str; N]) -> Label {
        assert_eq!(self.labels.len(), N, "labels of {}", self.name);
        self.labels.iter().copied().zip(values.map(str::to_owned)).collect()
    }
}

/// Makes histograms over the bounds of a declaration.
#[derive(Clone, Copy, Debug)]
pub struct Bounds(&'static [f64]);

impl Bounds {
    fn of(metric: &Metric) -> Self {
        match metric.kind {
            Kind::Histogram(bounds) => Self(bounds),
            Kind::Counter | Kind::Gauge => panic!("{metric:?} is no histogram"),
        }
    }
}

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names;

    #[test]
    fn metrics_print_as_declared() {
        let metrics = Metrics::new();
        metrics.gauge(&names::INSTANCE_SESSIONS).set(3);
        let logins = metrics.counters(&names::AUTH_LOGINS);
        logins.get_or_create(&names::AUTH_LOGINS.series(["device", "ok"])).inc();
        let text = metrics.print();
        for line in [
            "# HELP arena_instance_sessions Players' sessions held now.",
            "arena_instance_sessions 3",
            "arena_auth_logins_total{way=\"device\",outcome=\"ok\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn the_process_is_measured() {
        let text = Metrics::new().print();
        for name in
            ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"]
        {
            let line = text.lines().find(|it| it.starts_with(&format!("{name} "))).unwrap();
            let value: f64 = line.split_once(' ').unwrap().1.parse().unwrap();
            assert!(value >= 0.0, "{line}");
        }
    }
}
