//! Rate limits, shared by all instances; counted here alone while the hot state is away.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arena_store::{HotState, Permit, RateLimit};
use arena_telemetry::{Label, names};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::AuthError;
use crate::logic::{LocalLimits, Scope};

#[derive(Clone)]
pub(crate) struct Limiter {
    hot: Arc<dyn HotState>,
    local: Arc<Mutex<LocalLimits>>,
    started: Instant,
    refused: Family<Label, Counter>,
}

impl Limiter {
    pub(crate) fn new(hot: Arc<dyn HotState>, refused: Family<Label, Counter>) -> Self {
        Self { hot, local: Arc::default(), started: Instant::now(), refused }
    }

    /// Takes one unit.
    ///
    /// # Errors
    /// [`AuthError::Limited`].
    pub(crate) async fn take(&self, scope: &Scope, limit: RateLimit) -> Result<(), AuthError> {
        let key = scope.key();
        let permit = match self.hot.take(&key, limit, 1).await {
            Ok(permit) => permit,
            Err(error) => {
                tracing::warn!(%error, "rate limits are counted by this instance alone");
                let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
                local.take(&key, limit, self.started.elapsed())
            }
        };
        match permit {
            Permit::Granted { .. } => Ok(()),
            Permit::Refused { retry_after } => {
                self.refused.get_or_create(&names::AUTH_LIMITED.series([scope.kind()])).inc();
                Err(AuthError::Limited { retry_after })
            }
        }
    }
}
