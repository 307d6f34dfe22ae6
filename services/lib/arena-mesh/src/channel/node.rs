//! One instance as its callers see it: connection, latency, health.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::{
    dial::{Dialer, Live},
    health::{Admission, Ejection, Health},
    load::{Latency, PeakEwma},
};
use crate::{Endpoint, fault::ConnectError};

/// Pause after the first failed dial; doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// Longest pause between dials: discovery removes what is gone for good.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

type Dial = Shared<BoxFuture<'static, Result<Arc<Live>, ConnectError>>>;

/// One instance.
pub(crate) struct Node {
    pub(crate) endpoint: Endpoint,
    dialer: Arc<Dialer>,
    load: PeakEwma,
    ejection: Ejection,
    live: ArcSwapOption<Live>,
    in_flight: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    latency: Latency,
    health: Health,
    dial: Option<Dial>,
    dials_failed: u32,
    dial_after: Instant,
}

impl Node {
    pub(crate) fn new(
        endpoint: Endpoint,
        dialer: Arc<Dialer>,
        load: PeakEwma,
        ejection: Ejection,
    ) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            endpoint,
            dialer,
            load,
            ejection,
            live: ArcSwapOption::empty(),
            in_flight: AtomicUsize::new(0),
            state: Mutex::new(State {
                latency: Latency::new(load, now),
                health: Health::default(),
                dial: None,
                dials_failed: 0,
                dial_after: now,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the connection new calls may use.
    pub(crate) fn live(&self, now: Instant) -> Option<Arc<Live>> {
        self.live.load().as_ref().filter(|live| live.is_usable(now)).cloned()
    }

    /// Returns whether a call may go here: health, and for what is not connected the dial's pause.
    pub(crate) fn admission(&self, now: Instant) -> Admission {
        let health = self.state().health.admission(now);
        match (health, self.dial_pause(now)) {
            (Admission::No(until), _) | (_, Some(until)) => Admission::No(until),
            (admitted, None) => admitted,
        }
    }

    /// Returns until when it cannot be connected, if it is not and its last dial failed.
    pub(crate) fn dial_pause(&self, now: Instant) -> Option<Instant> {
        let after = self.state().dial_after;
        (now < after && self.live(now).is_none()).then_some(after)
    }

    pub(crate) fn probe(&self, now: Instant) {
        self.state().health.probe(self.ejection, now);
    }

    pub(crate) fn is_ejected(&self) -> bool {
        self.state().health.is_ejected()
    }

    pub(crate) fn cost(&self, now: Instant) -> f64 {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        self.state().latency.cost(self.load, in_flight, now)
    }

    /// Starts a dial, or joins the one that runs; it goes on when its callers give up.
    pub(crate) fn dial(self: &Arc<Self>) -> Dial {
        let mut state = self.state();
        if let Some(dial) = &state.dial {
            return dial.clone();
        }
        let node = self.clone();
        let run = tokio::spawn(async move {
            let dialed = node.dialer.dial(&node.endpoint).await.map(Arc::new);
            node.dialed(&dialed);
            dialed
        });
        let addr = self.endpoint.addr;
        let stopped =
            move |_| ConnectError::Setup { addr, reason: "runtime is stopping".to_owned() };
        let dial = run.map(move |joined| joined.map_err(stopped).and_then(|dialed| dialed));
        state.dial.insert(dial.boxed().shared()).clone()
    }

    fn dialed(self: &Arc<Self>, dialed: &Result<Arc<Live>, ConnectError>) {
        let now = Instant::now();
        let mut state = self.state();
        state.dial = None;
        match dialed {
            Ok(live) => {
                state.dials_failed = 0;
                self.live.store(Some(live.clone()));
                tokio::spawn(forget_when_going(Arc::downgrade(self), live.going()));
            }
            Err(error) => {
                let factor = 1_u32 << state.dials_failed.min(8);
                let pause = (BACKOFF_MIN * factor).min(BACKOFF_MAX);
                state.dial_after = now + pause.mul_f64(rand::random_range(0.75..1.25));
                state.dials_failed += 1;
                let error = crate::identity::chain(error);
                tracing::debug!(endpoint = %self.endpoint, error, "dial failed");
            }
        }
    }

    /// Counts a call in, until the result is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    pub(crate) fn succeeded(&self, rtt: Duration) {
        let now = Instant::now();
        let mut state = self.state();
        state.latency.observe(self.load, rtt, now);
        state.health.succeed();
    }

    /// Notes a call that was given up before its answer. Cancelled early says nothing; a wait above what
    /// a failure counts as does.
    pub(crate) fn gave_up(&self, waited: Duration, may_eject: impl FnOnce() -> bool) {
        let now = Instant::now();
        let may_eject = may_eject(); // it looks at every instance, this one included
        let mut state = self.state();
        state.latency.observe_at_least(self.load, waited, now);
        if waited >= self.load.failure {
            state.health.fail(self.ejection, || may_eject, now);
        }
    }

    /// Notes a failed call; `may_eject` says whether the set allows one more ejection.
    pub(crate) fn failed(&self, rtt: Duration, may_eject: impl FnOnce() -> bool) {
        let now = Instant::now();
        let may_eject = may_eject(); // it looks at every instance, this one included
        let mut state = self.state();
        state.latency.observe(self.load, rtt.max(self.load.failure), now);
        if state.health.fail(self.ejection, || may_eject, now) {
            tracing::warn!(endpoint = %self.endpoint, "instance ejected");
        }
    }
}

/// Lets go of a connection as soon as the server says goodbye: it closes with its last call, which is
/// what the draining server waits for.
async fn forget_when_going(node: Weak<Node>, going: CancellationToken) {
    going.cancelled().await;
    let Some(node) = node.upgrade() else { return };
    node.live.rcu(|live| live.clone().filter(|live| !live.going().is_cancelled()));
}

/// Returns whether a code says that the instance, not the request, is at fault.
pub(crate) const fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unknown
            | Code::DataLoss
    )
}

/// A call counted as in flight at an instance.
pub(crate) struct InFlight(pub(crate) Arc<Node>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
