//! A running server, and its orderly end.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use quinn::Endpoint;
use tokio::{sync::watch, task::JoinHandle, time};
use tokio_util::task::TaskTracker;

use super::accept::{Mounts, Phase, Shared, accept_connections};
use crate::fault::CLOSED;

/// How long new calls are still served after GOAWAY: peers need a round trip to hear of it.
const GOAWAY_GRACE: Duration = Duration::from_millis(200);
/// How long peers may take to fetch the last answers once all handlers are done.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// How long the endpoint may take to say goodbye.
const IDLE_WAIT_MAX: Duration = Duration::from_millis(500);

/// A running server. Dropping it ends every connection at once; [`Serving::drain`] loses nothing.
#[must_use]
pub struct Serving {
    endpoint: Endpoint,
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Calls and links that were cut off when the grace ended.
    pub cut: usize,
    /// Connections whose peer had not closed them in time.
    pub closed: usize,
}

impl Serving {
    pub(crate) fn start(endpoint: Endpoint, mounts: Mounts) -> io::Result<Self> {
        let addr = endpoint.local_addr()?;
        let phase = watch::Sender::new(Phase::Open);
        let shared = Arc::new(Shared { mounts, handlers: TaskTracker::new(), phase });
        let accepting = tokio::spawn(accept_connections(endpoint.clone(), shared.clone()));
        Ok(Self { endpoint, addr, shared, accepting })
    }

    /// Returns the address served.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the calls and links being served.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.handlers.len()
    }

    /// Ends the server without losing a call: refuses new connections, tells peers to go, waits up to
    /// `grace` for the calls and links in flight, lets peers fetch the last answers, then closes.
    pub async fn drain(self, grace: Duration) -> Drained {
        let end = Instant::now() + grace;
        self.endpoint.set_server_config(None);
        self.shared.phase.send_replace(Phase::GoingAway);
        if self.endpoint.open_connections() > 0 {
            time::sleep(GOAWAY_GRACE.min(grace)).await;
        }
        self.shared.phase.send_replace(Phase::Refusing);
        self.shared.handlers.close();
        let left = end.saturating_duration_since(Instant::now());
        let _ = time::timeout(left, self.shared.handlers.wait()).await;
        let cut = self.shared.handlers.len();
        if cut == 0 {
            let _ = time::timeout(LINGER_MAX, self.endpoint.wait_idle()).await;
        }
        let closed = self.endpoint.open_connections();
        self.endpoint.close(CLOSED, b"drained");
        let _ = time::timeout(IDLE_WAIT_MAX, self.endpoint.wait_idle()).await;
        Drained { cut, closed }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.accepting.abort();
        self.endpoint.close(CLOSED, b"stopped");
    }
}
