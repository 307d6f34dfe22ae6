//! Peak-EWMA: remembers the worst recent latency, forgets it slowly.

use std::time::{Duration, Instant};

/// How latency is remembered (Finagle's peak-EWMA): a slower answer counts at once, a faster one fades
/// the memory in over `decay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeakEwma {
    /// Time constant of forgetting.
    pub decay: Duration,
    /// What an instance without answers yet is taken for.
    pub default_rtt: Duration,
    /// What a failure counts as: instances that fail fast must not look fast.
    pub failure: Duration,
}

impl Default for PeakEwma {
    fn default() -> Self {
        Self {
            decay: Duration::from_secs(10),
            default_rtt: Duration::from_millis(5),
            failure: Duration::from_secs(1),
        }
    }
}

/// The latency memory of one instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    nanos: f64,
    at: Instant,
}

impl Latency {
    pub(crate) fn new(settings: PeakEwma, now: Instant) -> Self {
        Self { nanos: settings.default_rtt.as_nanos() as f64, at: now }
    }

    pub(crate) fn observe(&mut self, settings: PeakEwma, rtt: Duration, now: Instant) {
        let rtt = rtt.as_nanos() as f64;
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        let keep = (-age / settings.decay.as_secs_f64().max(f64::EPSILON)).exp();
        self.nanos = if rtt > self.nanos { rtt } else { self.nanos * keep + rtt * (1.0 - keep) };
        self.at = now;
    }

    /// Notes that an answer took at least this long: it may make an instance slower, never faster.
    pub(crate) fn observe_at_least(&mut self, settings: PeakEwma, waited: Duration, now: Instant) {
        if waited.as_nanos() as f64 > self.nanos {
            self.observe(settings, waited, now);
        }
    }

    /// Returns what one more call would cost: the latency, faded since, times the calls it would share
    /// the instance with.
    pub(crate) fn cost(&self, settings: PeakEwma, in_flight: usize, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at).as_secs_f64();
        let keep = (-age / settings.decay.as_secs_f64().max(f64::EPSILON)).exp();
        self.nanos * keep * (in_flight as f64 + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn slower_counts_at_once_and_fades() {
        let settings = PeakEwma { decay: Duration::from_secs(1), ..PeakEwma::default() };
        let start = Instant::now();
        let mut latency = Latency::new(settings, start);
        latency.observe(settings, 100 * MS, start);
        assert!((latency.cost(settings, 0, start) - 1e8).abs() < 1.0);
        assert!((latency.cost(settings, 3, start) - 4e8).abs() < 1.0);
        latency.observe(settings, 10 * MS, start + Duration::from_secs(1));
        let faded = latency.cost(settings, 0, start + Duration::from_secs(1));
        assert!((4.2e7..4.4e7).contains(&faded), "{faded}");
    }
}
