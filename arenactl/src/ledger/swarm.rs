//! A region's ledger in the configs of its swarm: whoever reaches a manager sees the same history.
//!
//! Docker has no transaction over several objects. So one config, the lock, is what counts: its labels name
//! the holder and the last step of each journal, and are swapped under the version that was read. A step is
//! written first, as a config of its own that names the step before it, and counts from the moment that the
//! lock's labels name it.

mod history;
mod journal;

use std::collections::BTreeSet;

use arena_types::ReleaseId;
use arenactl_planning::release::Release;
use async_trait::async_trait;

use crate::clock;
use crate::history::{History, Revision, RevisionStatus};
use crate::journal::{Steering, Step, json};
use crate::ledger::{Ledger, LedgerError, LockRow};
use crate::lock::{Holder, Lock, LockError, LockView};
use crate::swarm::{Kind, Record, Swap, Swarm, SwarmError};

/// Label of the lock: which hold it is.
const TOKEN: &str = "arena.lock.token";
/// Label of the lock: who holds it, as JSON.
const HOLDER: &str = "arena.lock.holder";
/// Label of the lock: since when, in milliseconds since 1970.
const TAKEN_MS: &str = "arena.lock.taken_ms";
/// Label of the lock: counts writes, so that no two writes are alike.
const BEAT: &str = "arena.lock.beat";
/// The lock's data: a word for whoever looks at it.
const LOCK_TEXT: &[u8] =
    b"The lock and journal of this region; its labels are what counts. Written by arenactl.\n";
/// Tries of a swap that somebody else may lose to us or win: a request and a heartbeat, not a queue.
const SWAP_ATTEMPT_COUNT_MAX: u32 = 8;

/// The ledger of a region in a swarm.
#[derive(Debug)]
pub struct SwarmLedger {
    swarm: Swarm,
}

impl SwarmLedger {
    /// Makes a ledger; reads nothing.
    #[must_use]
    pub const fn new(swarm: Swarm) -> Self {
        Self { swarm }
    }

    fn lock_name(&self) -> String {
        self.swarm.object_name("lock")
    }

    /// Returns the lock, which is there once something was locked.
    async fn lock_record(&self) -> Result<Option<Record>, SwarmError> {
        self.swarm.record(&self.lock_name()).await
    }

    /// Changes the lock as long as it is the hold that `lock` names.
    async fn change_held(
        &self,
        lock: &Lock,
        change: impl Fn(&mut Record),
    ) -> Result<(), LockError> {
        for _ in 0..SWAP_ATTEMPT_COUNT_MAX {
            let found = self.lock_record().await.map_err(LedgerError::from)?;
            let held = found.filter(|record| record.label(TOKEN) == Some(lock.token()));
            let record = held.ok_or(LockError::Lost)?;
            let swap = self.swap(&record, &change).await.map_err(LedgerError::from)?;
            if swap == Swap::Done {
                return Ok(());
            }
        }
        Err(LedgerError::from(SwarmError::Contended { name: self.lock_name() }).into())
    }

    /// Writes the lock as it was read, changed.
    async fn swap(
        &self,
        record: &Record,
        change: impl Fn(&mut Record),
    ) -> Result<Swap, SwarmError> {
        let mut changed = record.clone();
        change(&mut changed);
        let beat = record.label(BEAT).and_then(|it| it.parse::<u64>().ok()).unwrap_or(0) + 1;
        changed.labels.insert(BEAT.to_owned(), beat.to_string());
        self.swarm.swap_labels(record, changed.labels).await
    }
}

/// Forgets who holds the lock.
fn free(record: &mut Record) {
    for label in [TOKEN, HOLDER, TAKEN_MS] {
        record.labels.remove(label);
    }
}

fn row(record: Option<&Record>) -> Result<LockRow, SwarmError> {
    let Some(record) = record else { return Ok(LockRow { version: 0, view: None }) };
    let view = match (record.label(TOKEN), record.label(HOLDER)) {
        (Some(_), Some(holder)) => Some(LockView {
            holder: serde_json::from_str(holder).map_err(|error| record.corrupt(error))?,
            taken_ms: record.label(TAKEN_MS).and_then(|it| it.parse().ok()).unwrap_or(0),
        }),
        _ => None,
    };
    Ok(LockRow { version: record.version, view })
}

#[async_trait(?Send)]
impl Ledger for SwarmLedger {
    async fn keep(&mut self) -> Result<(), LedgerError> {
        if self.lock_record().await?.is_none() {
            let labels = self.swarm.labels(Kind::Lock);
            // Taken means that somebody else was first; it is the same lock.
            self.swarm.create_record(&self.lock_name(), labels, LOCK_TEXT).await?;
        }
        Ok(())
    }

    async fn lock_row(&mut self) -> Result<LockRow, LedgerError> {
        Ok(row(self.lock_record().await?.as_ref())?)
    }

    async fn take(&mut self, version: u64, holder: &Holder) -> Result<Option<Lock>, LedgerError> {
        let Some(record) = self.lock_record().await? else {
            self.keep().await?;
            return Ok(None); // Its first version is not the one that was seen.
        };
        if record.version != version {
            return Ok(None);
        }
        let lock = Lock::new(version, holder);
        let now_ms = clock::now_ms();
        let take = |record: &mut Record| {
            let set = [
                (TOKEN, lock.token().to_owned()),
                (HOLDER, json(holder)),
                (TAKEN_MS, now_ms.to_string()),
            ];
            record.labels.extend(set.map(|(key, value)| (key.to_owned(), value)));
        };
        let swap = self.swap(&record, take).await?;
        Ok((swap == Swap::Done).then_some(lock))
    }

    async fn beat(&mut self, lock: &Lock) -> Result<(), LockError> {
        self.change_held(lock, |_| {}).await
    }

    async fn release_lock(&mut self, lock: &Lock) -> Result<(), LedgerError> {
        match self.change_held(lock, free).await {
            Ok(()) | Err(LockError::Lost | LockError::Held(_)) => Ok(()),
            Err(LockError::Ledger(error)) => Err(error),
        }
    }

    async fn break_lock(&mut self) -> Result<(), LedgerError> {
        for _ in 0..SWAP_ATTEMPT_COUNT_MAX {
            let Some(record) = self.lock_record().await? else { return Ok(()) };
            if self.swap(&record, free).await? == Swap::Done {
                return Ok(());
            }
        }
        Err(SwarmError::Contended { name: self.lock_name() }.into())
    }

    async fn record(&mut self, lock: &Lock, id: &str, step: &Step) -> Result<(), LockError> {
        self.append_step(lock, id, step).await
    }

    async fn steps(&mut self, id: &str) -> Result<Vec<Step>, LedgerError> {
        self.read_steps(id).await
    }

    async fn last_step(&mut self, id: &str) -> Result<Option<Step>, LedgerError> {
        self.read_last_step(id).await
    }

    async fn steer(&mut self, request: &Steering) -> Result<(), LedgerError> {
        self.leave_request(request).await
    }

    async fn take_steering(&mut self) -> Result<Option<Steering>, LedgerError> {
        self.take_request().await
    }

    async fn clear_steering(&mut self) -> Result<(), LedgerError> {
        self.clear_requests().await
    }

    async fn history(&mut self) -> Result<History, LedgerError> {
        self.read_history().await
    }

    async fn open_revision(
        &mut self,
        revision: &Revision,
        release: &Release,
    ) -> Result<(), LedgerError> {
        self.append_revision(revision, release).await
    }

    async fn close_revision(
        &mut self,
        number: u32,
        status: RevisionStatus,
        note: &str,
        at_ms: u64,
    ) -> Result<(), LedgerError> {
        self.end_revision(number, status, note, at_ms).await
    }

    async fn forget(&mut self, kept: &BTreeSet<ReleaseId>) -> Result<(), LedgerError> {
        self.forget_releases(kept).await?;
        self.forget_journals().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Weak};

    use arena_tests::{Lab, LabSpec};
    use futures::FutureExt as _;
    use tokio::sync::Mutex;

    use super::*;

    /// One swarm for all tests of this file: each has a region of its own in it. The last one takes it down.
    static LAB: Mutex<Weak<Lab>> = Mutex::const_new(Weak::new());

    struct Place {
        lab: Arc<Lab>,
        region: String,
    }

    impl Place {
        async fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let mut shared = LAB.lock().await;
            let lab = match shared.upgrade() {
                Some(lab) => lab,
                None => Arc::new(Lab::start(LabSpec::default()).await.unwrap()),
            };
            *shared = Arc::downgrade(&lab);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            Self { lab, region: format!("region-{number}") }
        }

        async fn open(&self) -> Box<dyn Ledger> {
            let endpoint = format!("unix://{}", self.lab.socket(1).display());
            let (cluster, region) = ("demo".parse().unwrap(), self.region.parse().unwrap());
            let swarm = Swarm::connect(&endpoint, None, cluster, region).await.unwrap();
            Box::new(SwarmLedger::new(swarm))
        }
    }

    crate::ledger::conformance::ledger_conformance! {
        place = Place::new().await,
        || place.open().boxed_local()
    }
}
