//! Unix time that does not jump while the process lives.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The machine's wall clock when it was made, and monotonic from there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin_ms: i64,
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { origin_ms: since_epoch.as_millis() as i64, origin: Instant::now() }
    }

    /// Unix milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.origin_ms + self.origin.elapsed().as_millis() as i64
    }

    /// When something ends that lives `ttl` from now.
    pub(crate) fn end_ms(&self, ttl: Duration) -> i64 {
        self.now_ms() + ttl.as_millis().max(1) as i64
    }
}
