//! Password hashes, on threads that may block, a bounded number at once.

use std::sync::Arc;
use std::time::Instant;

use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::Semaphore;

use crate::AuthError;
use crate::logic::{self, Password, PasswordHash};

/// Hashes that wait for a core; above it a caller is told to come back: at about 30 ms a hash and
/// core the last in the queue would wait a second.
const WAITING_PER_CORE: usize = 32;

/// The threads that hash; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Hashing {
    /// One permit a core: more would only add memory and switches.
    cores: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    took_s: Histogram,
}

impl Hashing {
    pub(crate) fn new(took_s: Histogram) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            cores: Arc::new(Semaphore::new(cores)),
            queue: Arc::new(Semaphore::new(cores * (1 + WAITING_PER_CORE))),
            took_s,
        }
    }

    pub(crate) async fn hash(&self, password: Password) -> Result<PasswordHash, AuthError> {
        let salt = rand::random();
        self.run(move || logic::hash(&password, salt)).await
    }

    pub(crate) async fn verify(
        &self,
        password: Password,
        hash: PasswordHash,
    ) -> Result<bool, AuthError> {
        self.run(move || logic::verify(&password, &hash)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, AuthError> + Send + 'static,
    ) -> Result<T, AuthError> {
        let _queued = self.queue.try_acquire().map_err(|_| AuthError::Busy)?;
        let asked = Instant::now();
        // The permit goes with the work: a caller that goes away must not make room for another
        // hash while its own still runs.
        let core = self.cores.clone().acquire_owned().await.expect("it is never closed");
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(core);
            done
        });
        let done = done.await.map_err(|error| AuthError::Internal {
            doing: "hash a password",
            detail: error.to_string(),
        })?;
        self.took_s.observe(asked.elapsed().as_secs_f64());
        done
    }
}
