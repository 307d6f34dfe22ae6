//! Ctrl-C, counted: the first detaches, the second takes the rollout back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// How often this process was asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupts {
    count: Arc<AtomicU32>,
}

impl Interrupts {
    /// Counts `SIGINT` and `SIGTERM` from now on, instead of dying of them.
    ///
    /// # Errors
    /// Plain I/O: the system refused a handler.
    pub fn listen() -> std::io::Result<Self> {
        let interrupts = Self::default();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let mut stream = signal(kind)?;
            let count = Arc::clone(&interrupts.count);
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Ok(interrupts)
    }

    /// Returns how often.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }
}
