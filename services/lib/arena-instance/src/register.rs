//! The instance's own key in the registry, kept alive by a lease.

use std::sync::Arc;
use std::time::Duration;

use arena_store::{LeaseId, Registry, StoreError, Transaction};
use arena_telemetry::{Metrics, names};
use arena_types::registry::InstanceRecord;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::fence::{Fence, boot_ms};

/// A dead instance is gone this long after its last keep-alive (`architecture.md` §4.2).
pub const LEASE_TTL: Duration = Duration::from_secs(2);
/// Three keep-alives may be lost before the lease ends.
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// A keep-alive that takes longer is repeated: below the period, so that they do not pile up.
const CALL_TIMEOUT: Duration = Duration::from_millis(450);
/// Pause after a failed write.
const RETRY: Duration = Duration::from_millis(100);
/// Changes of the load alone are written at most this often; changes of the state at once.
const LOAD_PERIOD: Duration = Duration::from_millis(250);
/// Taking the key away may take this long before the lease is left to end by itself.
const WITHDRAW_TIMEOUT: Duration = Duration::from_secs(1);

/// Keeps one key alive until [`Registration::withdraw`].
#[derive(Debug)]
pub(crate) struct Registration {
    withdraw: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Registration {
    pub(crate) fn start(
        registry: Arc<dyn Registry>,
        key: String,
        record: watch::Receiver<InstanceRecord>,
        fence: Fence,
        metrics: &Metrics,
    ) -> Self {
        let (withdraw, withdrawn) = watch::channel(false);
        let keeper = Keeper {
            registry,
            key,
            record,
            lease: None,
            written: None,
            fence,
            renewed_ms: 0,
            answered: Instant::now(),
            registrations: metrics.counter(&names::REGISTRY_REGISTRATIONS),
            silence_s: metrics.gauge(&names::REGISTRY_SILENCE),
        };
        Self { withdraw, task: tokio::spawn(keeper.run(withdrawn)) }
    }

    /// Takes the key away, if the registry can be reached, and stops keeping it.
    pub(crate) async fn withdraw(self) {
        self.withdraw.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the registration ended early");
        }
    }
}

struct Keeper {
    registry: Arc<dyn Registry>,
    key: String,
    record: watch::Receiver<InstanceRecord>,
    lease: Option<LeaseId>,
    written: Option<(InstanceRecord, Instant)>,
    fence: Fence,
    /// When what the lease was last renewed by was sent.
    renewed_ms: u64,
    answered: Instant,
    registrations: Counter,
    silence_s: Gauge,
}

impl Keeper {
    async fn run(mut self, mut withdrawn: watch::Receiver<bool>) {
        let mut beat = Instant::now();
        loop {
            let beating = Instant::now() >= beat;
            if beating {
                beat = Instant::now() + KEEP_ALIVE;
            }
            let step = self.step(beating);
            let done = tokio::select! {
                done = step => done,
                _ = withdrawn.wait_for(|it| *it) => break,
            };
            let wake = match done {
                Ok(()) => self.write_at().map_or(beat, |it| it.min(beat)),
                Err(error) => {
                    tracing::warn!(key = self.key, %error, "the registration is not kept");
                    Instant::now() + RETRY
                }
            };
            self.silence_s.set(self.answered.elapsed().as_secs() as i64);
            tokio::select! {
                () = sleep_until(wake) => {}
                Ok(()) = self.record.changed() => {}
                _ = withdrawn.wait_for(|it| *it) => break,
            }
        }
        self.take_away().await;
    }

    /// When a change that is not written yet may be written.
    fn write_at(&self) -> Option<Instant> {
        let record = self.record.borrow();
        match &self.written {
            Some((written, _)) if *written == *record => None,
            Some((written, at)) if written.state == record.state => Some(*at + LOAD_PERIOD),
            _ => Some(Instant::now()),
        }
    }

    async fn step(&mut self, beating: bool) -> Result<(), StoreError> {
        if let (true, Some(lease)) = (beating, self.lease) {
            let sent_ms = boot_ms();
            match bounded(self.registry.keep_alive(lease)).await {
                Ok(_) => {
                    self.answered = Instant::now();
                    self.renewed(sent_ms);
                }
                Err(StoreError::NotFound { .. }) => self.lapse(),
                Err(error) => return Err(error),
            }
        }
        if self.write_at().is_none_or(|it| it > Instant::now()) {
            return Ok(());
        }
        let lease = if let Some(lease) = self.lease {
            lease
        } else {
            let sent_ms = boot_ms();
            let granted = bounded(self.registry.grant_lease(LEASE_TTL)).await?;
            self.registrations.inc();
            self.lease = Some(granted);
            self.renewed(sent_ms);
            granted
        };
        let record = self.record.borrow_and_update().clone();
        let value = serde_json::to_vec(&record).expect("a record is plain data");
        let written =
            self.registry.transact(Transaction::new().put_leased(&self.key, value, lease));
        match bounded(written).await {
            Ok(_) => {
                self.answered = Instant::now();
                self.written = Some((record, self.answered));
                self.renewed(self.renewed_ms);
                Ok(())
            }
            Err(StoreError::NotFound { what }) => {
                self.lapse();
                Err(StoreError::NotFound { what })
            }
            Err(error) => Err(error),
        }
    }

    /// The lease was renewed by what was sent then. Nothing may be done before the key is there, which is
    /// what others look at.
    fn renewed(&mut self, sent_ms: u64) {
        self.renewed_ms = sent_ms;
        if self.written.is_some() {
            self.fence.extend(sent_ms);
        }
    }

    /// The lease has ended, and the key with it: another instance may own by now what was owned here.
    fn lapse(&mut self) {
        (self.lease, self.written) = (None, None);
        self.fence.lapse();
    }

    async fn take_away(&self) {
        let Some(lease) = self.lease else { return };
        let revoke = async {
            while let Err(error) = self.registry.revoke_lease(lease).await {
                tracing::debug!(%error, "the lease is not revoked yet");
                sleep(RETRY).await;
            }
        };
        if timeout(WITHDRAW_TIMEOUT, revoke).await.is_err() {
            tracing::warn!(key = self.key, "the registry is away, the key ends with its lease");
        }
    }
}

async fn bounded<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::Uncertain { reason: format!("no answer in {CALL_TIMEOUT:?}") });
    timeout(CALL_TIMEOUT, call).await.unwrap_or_else(late)
}
