//! One lease under many keys, so that what became of a ticket is forgotten some day.

use std::sync::Arc;
use std::time::Duration;

use arena_store::{LeaseId, Registry, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A key lives at least this long: far longer than anyone asks what became of a ticket.
const KEPT: Duration = Duration::from_hours(1);
/// A new lease is begun this often, so that few are alive at once.
const RENEWED: Duration = Duration::from_mins(30);

/// The lease that new keys are written under.
pub(crate) struct Shelf {
    registry: Arc<dyn Registry>,
    current: Mutex<Option<(LeaseId, Instant)>>,
}

impl Shelf {
    pub(crate) fn new(registry: Arc<dyn Registry>) -> Self {
        Self { registry, current: Mutex::default() }
    }

    /// Returns a lease that holds for an hour at least.
    pub(crate) async fn lease(&self) -> Result<LeaseId, StoreError> {
        let mut current = self.current.lock().await;
        match *current {
            Some((lease, granted)) if granted.elapsed() < RENEWED => Ok(lease),
            _ => {
                let lease = self.registry.grant_lease(KEPT + RENEWED).await?;
                *current = Some((lease, Instant::now()));
                Ok(lease)
            }
        }
    }

    /// Forgets the lease: the registry does not know it any more.
    pub(crate) async fn forget(&self) {
        *self.current.lock().await = None;
    }
}
