use arena_telemetry::{Label, Metrics, names};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// What this service counts. Cheap to clone; clones share their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) tickets: Gauge,
    pub(crate) matches: Counter,
    pub(crate) wait: Histogram,
    pub(crate) rtt_delta: Histogram,
    ended: Family<Label, Counter>,
    refusals: Family<Label, Counter>,
}

impl Figures {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            tickets: metrics.gauge(&names::MATCHMAKER_TICKETS),
            matches: metrics.counter(&names::MATCHMAKER_MATCHES),
            wait: metrics.histogram(&names::MATCHMAKER_WAIT),
            rtt_delta: metrics.histogram(&names::MATCHMAKER_RTT_DELTA),
            ended: metrics.counters(&names::MATCHMAKER_ENDED),
            refusals: metrics.counters(&names::MATCHMAKER_REFUSALS),
        }
    }

    /// Counts a ticket that ended without a match.
    pub(crate) fn ended(&self, reason: &str) {
        self.ended.get_or_create(&names::MATCHMAKER_ENDED.series([reason])).inc();
    }

    /// Counts a match that found no owner at its first choice.
    pub(crate) fn refused(&self, reason: &str) {
        self.refusals.get_or_create(&names::MATCHMAKER_REFUSALS.series([reason])).inc();
    }
}
