use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Unix time that never jumps: read once, counted on. Waits are measured with it, so that an hour
/// set back by hand times nobody out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_ms: unix.as_millis() as u64 }
    }

    pub(crate) fn now_ms(self) -> u64 {
        self.started_ms + self.started.elapsed().as_millis() as u64
    }
}
