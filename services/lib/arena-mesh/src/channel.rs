//! The calling side: a tower service that tonic's generated clients take unchanged.

mod answer;
mod attempt;
mod balance;
mod dial;
mod health;
mod load;
mod node;
mod request;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{Request, Response};
use tokio::time;
use tonic::{Status, body::Body};
use tower::{Service, retry::budget::TpsBudget};

pub use self::{answer::AnswerBody, health::Ejection, load::PeakEwma};
use self::{
    attempt::Attempt,
    balance::Balancer,
    dial::Dialer,
    request::{Context as CallContext, Prepared},
};
use crate::{Discover, Endpoint, Identity, Link, LinkError, Static, Tuning};

/// How long a call without a deadline waits for an instance to be reachable.
pub const READY_WAIT_MAX: Duration = Duration::from_secs(5);
/// Tries of one call, the first included: more would only move an overload around.
const ATTEMPTS_MAX: u32 = 3;

/// How many calls may be tried again: a share of all calls, so that retries never double an overload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// Retries a call earns, 0 to 1.
    pub ratio: f32,
    /// Retries allowed a second whatever the traffic.
    pub min_per_s: u32,
    /// How long an earned retry stays, 1 to 60 s.
    pub ttl: Duration,
}

impl Default for RetryBudget {
    /// A fifth of the calls and ten a second, as linkerd does.
    fn default() -> Self {
        Self { ratio: 0.2, min_per_s: 10, ttl: Duration::from_secs(10) }
    }
}

/// Says of a method (`package.Service/Method`) whether it may run twice.
type Idempotent = dyn Fn(&str) -> bool + Send + Sync;

/// A channel being described.
#[must_use]
pub struct ChannelBuilder {
    identity: Identity,
    service: Option<Arc<str>>,
    tuning: Tuning,
    load: PeakEwma,
    ejection: Ejection,
    retry: RetryBudget,
    idempotent: Arc<Idempotent>,
    default_deadline: Option<Duration>,
}

impl ChannelBuilder {
    /// Requires servers to prove `service` in their id.
    pub fn service(mut self, service: impl AsRef<str>) -> Self {
        self.service = Some(service.as_ref().into());
        self
    }

    /// Chooses the transport settings; [`Tuning::Datacenter`] unless told otherwise.
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// Sets how latency is remembered.
    pub fn balance(mut self, load: PeakEwma) -> Self {
        self.load = load;
        self
    }

    /// Sets when an instance is left out.
    pub fn eject(mut self, ejection: Ejection) -> Self {
        self.ejection = ejection;
        self
    }

    /// Sets the retry budget.
    pub fn retry(mut self, budget: RetryBudget) -> Self {
        self.retry = budget;
        self
    }

    /// Names the methods (`package.Service/Method`) that may run twice and so be retried; none unless
    /// told. A call the server refused unread is always sent elsewhere.
    pub fn idempotent(mut self, methods: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.idempotent = Arc::new(methods);
        self
    }

    /// Gives calls that neither set nor inherit a deadline this one. It also ends streaming calls.
    pub fn default_deadline(mut self, deadline: Duration) -> Self {
        self.default_deadline = Some(deadline);
        self
    }

    /// Finishes; connections are made when calls need them. Needs a tokio runtime.
    #[must_use]
    pub fn discover(self, discover: impl Discover) -> Channel {
        let dialer = Arc::new(Dialer::new(self.identity, self.service, self.tuning));
        let balancer = Balancer::spawn(dialer, self.load, self.ejection, discover);
        let RetryBudget { ratio, min_per_s, ttl } = self.retry;
        let shared = Shared {
            balancer,
            budget: Arc::new(TpsBudget::new(ttl, min_per_s, ratio)),
            idempotent: self.idempotent,
            default_deadline: self.default_deadline,
        };
        Channel(Arc::new(shared))
    }

    /// Finishes with one fixed instance.
    #[must_use]
    pub fn pinned(self, endpoint: Endpoint) -> Channel {
        self.discover(Static::new([endpoint]))
    }
}

/// What clones of a channel share.
struct Shared {
    balancer: Balancer,
    budget: Arc<TpsBudget>,
    idempotent: Arc<Idempotent>,
    default_deadline: Option<Duration>,
}

/// A balanced, retrying channel to the instances of one service. Clones share connections.
#[derive(Clone)]
pub struct Channel(Arc<Shared>);

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

impl Channel {
    /// Starts to describe a channel that proves `identity`.
    pub fn builder(identity: Identity) -> ChannelBuilder {
        ChannelBuilder {
            identity,
            service: None,
            tuning: Tuning::default(),
            load: PeakEwma::default(),
            ejection: Ejection::default(),
            retry: RetryBudget::default(),
            idempotent: Arc::new(|_| false),
            default_deadline: None,
        }
    }

    /// Returns a channel to one instance of the same service, from the same socket.
    #[must_use]
    pub fn to(&self, endpoint: Endpoint) -> Self {
        Self(Arc::new(Shared {
            balancer: self.0.balancer.pinned(endpoint),
            budget: self.0.budget.clone(),
            idempotent: self.0.idempotent.clone(),
            default_deadline: self.0.default_deadline,
        }))
    }

    /// Opens a link, waiting up to [`READY_WAIT_MAX`] for an instance. Use a channel of [`Channel::to`]
    /// to choose which.
    ///
    /// # Errors
    /// [`LinkError::Connect`] if there is no connection, [`LinkError::Refused`] if the peer says no.
    pub async fn link(&self) -> Result<Link, LinkError> {
        let until = Instant::now() + READY_WAIT_MAX;
        let connect = |status| LinkError::Connect { status: Box::new(status) };
        let (_, live) = self.0.balancer.acquire(until).await.map_err(connect)?;
        let opened = crate::link::open(&live.mux, live.peer.clone());
        let late = || connect(Status::deadline_exceeded("the peer did not answer to the link"));
        time::timeout_at(until.into(), opened).await.unwrap_or_else(|_| Err(late()))
    }

    /// Returns how many instances are known, and how many are connected.
    #[must_use]
    pub fn instances(&self) -> (usize, usize) {
        self.0.balancer.counts()
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<AnswerBody>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(())) // readiness is waited for within the call's deadline
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move {
            let context = CallContext::of(request.headers(), shared.default_deadline);
            let Some(deadline) = context.deadline else {
                return shared.run(request, context, None).await;
            };
            let mut timer = Box::pin(time::sleep_until(deadline.into()));
            let answered = tokio::select! {
                biased;
                answered = shared.run(request, context, Some(deadline)) => answered?,
                () = &mut timer => return Err(answer::late()),
            };
            Ok(answered.map(|body| body.until(timer)))
        })
    }
}

impl Shared {
    /// Runs a call to its response head, on as many instances as it takes.
    async fn run(
        &self,
        request: Request<Body>,
        context: CallContext,
        deadline: Option<Instant>,
    ) -> Result<Response<AnswerBody>, Status> {
        let ready_until = deadline.unwrap_or_else(|| Instant::now() + READY_WAIT_MAX);
        let mut prepared = Prepared::new(request, context)?;
        self.budget_deposit();
        for attempt in 1.. {
            let (node, live) = self.balancer.acquire(ready_until).await?;
            let tried = Attempt { balancer: &self.balancer, node, live }.run(&mut prepared).await;
            let failed = match tried {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            let again = attempt < ATTEMPTS_MAX && prepared.is_replayable();
            if !(again && self.may_repeat(&failed, &prepared)) {
                return failed.into_answer();
            }
            tracing::debug!(method = prepared.method(), attempt, "call is tried again");
        }
        unreachable!("the loop returns at its last attempt")
    }

    fn budget_deposit(&self) {
        tower::retry::budget::Budget::deposit(&*self.budget);
    }

    /// Returns whether a failed call goes out again: always if the server refused it unread, else if
    /// it is idempotent, failed with UNAVAILABLE and the budget allows it.
    fn may_repeat(&self, failed: &attempt::Failed, prepared: &Prepared) -> bool {
        failed.was_refused_unread()
            || (failed.is_unavailable()
                && (self.idempotent)(prepared.method())
                && tower::retry::budget::Budget::withdraw(&*self.budget))
    }
}
