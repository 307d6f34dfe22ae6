//! When leases end.
//!
//! A lease's identity and keys are on disk, its deadline is in memory: keeping it alive costs no
//! write, and a restarted store gives every lease its full time again, so it ends nobody's lease
//! for its own absence. The same holds for a store that was stopped and goes on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arena_store::LeaseId;
use tokio::time::{Instant, MissedTickBehavior};

use super::EmbeddedRegistry;
use crate::database::Database;

/// How often deadlines are looked at: a tenth of the shortest lease.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A look that is this late means that the store itself stood still; nobody could keep anything
/// alive meanwhile.
const STANDSTILL: Duration = Duration::from_millis(500);
/// When ending a lease is tried again after the disk refused it.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A lease that has not ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    ttl: Duration,
    deadline: Instant,
}

#[derive(Debug)]
pub(super) struct Leases {
    held: Mutex<HashMap<LeaseId, Held>>,
}

impl Leases {
    pub(super) fn new(loaded: Vec<(LeaseId, Duration)>) -> Arc<Self> {
        let leases = Self { held: Mutex::default() };
        for (lease, ttl) in loaded {
            leases.add(lease, ttl);
        }
        Arc::new(leases)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseId, Held>> {
        // Every change under the lock is a single one, so a panic cannot leave half of it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, lease: LeaseId, ttl: Duration) {
        self.lock().insert(lease, Held { ttl, deadline: Instant::now() + ttl });
    }

    /// Restarts its time; `None` if it has ended.
    pub(super) fn keep_alive(&self, lease: LeaseId) -> Option<Duration> {
        let mut all = self.lock();
        let held = all.get_mut(&lease)?;
        held.deadline = Instant::now() + held.ttl;
        Some(held.ttl)
    }

    pub(super) fn remove(&self, lease: LeaseId) -> Option<Held> {
        self.lock().remove(&lease)
    }

    pub(super) fn put_back(&self, lease: LeaseId, held: Held) {
        let deadline = Instant::now() + RETRY_AFTER;
        self.lock().insert(lease, Held { deadline, ..held });
    }

    fn postpone(&self, by: Duration) {
        for held in self.lock().values_mut() {
            held.deadline += by;
        }
    }

    /// Takes out all whose time is over: from here on they cannot be kept alive.
    fn take_ended(&self, now: Instant) -> Vec<(LeaseId, Held)> {
        self.lock().extract_if(|_, held| held.deadline <= now).collect()
    }
}

/// Reads all leases with their time to live.
pub(super) async fn load(database: &Database) -> Result<Vec<(LeaseId, Duration)>, sqlx::Error> {
    let rows: Vec<(i64, i64)> =
        sqlx::query_as("SELECT id, ttl_ms FROM leases").fetch_all(&database.readers).await?;
    let lease = |(id, ttl_ms)| (LeaseId(id as u64), Duration::from_millis(ttl_ms as u64));
    Ok(rows.into_iter().map(lease).collect())
}

/// Ends leases until the registry is dropped.
pub(super) async fn expire(registry: Weak<EmbeddedRegistry>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = look.tick().await;
        let Some(registry) = registry.upgrade() else { return };
        let late = due.elapsed();
        if late > STANDSTILL {
            tracing::warn!(late_ms = late.as_millis() as u64, "the store stood still");
            registry.leases.postpone(late);
        }
        for (lease, held) in registry.leases.take_ended(Instant::now()) {
            match registry.end_lease(lease).await {
                Ok(()) => tracing::info!(%lease, "a lease ended"),
                Err(error) => {
                    tracing::error!(%lease, %error, "a lease that is over could not be ended");
                    registry.leases.put_back(lease, held);
                }
            }
        }
    }
}
