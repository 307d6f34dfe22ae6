//! What the gateway counts.

use arena_telemetry::{Label, Metrics, names};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// The gateway's metrics; clones share them.
#[derive(Clone, Debug)]
pub struct GatewayMetrics {
    /// Open sockets of players.
    pub sockets: Gauge,
    /// Frames sent to players.
    pub frames_sent: Counter,
    /// Frames that a newer one replaced before they were sent.
    pub frames_dropped: Counter,
    /// Bytes of messages sent to players.
    pub bytes_sent: Counter,
    /// Bytes of messages from players.
    pub bytes_received: Counter,
    /// Sessions resumed, here or from another gateway.
    pub resumed: Counter,
    /// Sessions let go of because they read too slowly.
    pub slow: Counter,
    /// Links to game instances that could not be opened.
    pub link_failures: Counter,
    closes: Family<Label, Counter>,
}

impl GatewayMetrics {
    /// Makes them in `metrics`.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            sockets: metrics.gauge(&names::GATEWAY_SOCKETS),
            frames_sent: metrics.counter(&names::GATEWAY_FRAMES_SENT),
            frames_dropped: metrics.counter(&names::GATEWAY_FRAMES_DROPPED),
            bytes_sent: metrics.counter(&names::GATEWAY_BYTES_SENT),
            bytes_received: metrics.counter(&names::GATEWAY_BYTES_RECEIVED),
            resumed: metrics.counter(&names::GATEWAY_RESUMED),
            slow: metrics.counter(&names::GATEWAY_SLOW),
            link_failures: metrics.counter(&names::GATEWAY_LINK_FAILURES),
            closes: metrics.counters(&names::GATEWAY_CLOSES),
        }
    }

    /// Counts a socket that we closed, by its code.
    pub fn closed(&self, code: arena_wire::play::Code) {
        let series = names::GATEWAY_CLOSES.series([&code.number().to_string()]);
        self.closes.get_or_create(&series).inc();
    }
}
