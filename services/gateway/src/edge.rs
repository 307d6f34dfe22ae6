//! The public side put together: routes, WebSocket, accept loop.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use warp::reply::{Reply as _, Response};
use warp::{Filter, Rejection};

use crate::accept::{self, Doors, Gate, Peer, Port};
use crate::rest::{ApiError, Rest, routes};
use crate::socket::{self, MESSAGE_LEN_READ_MAX, Shared};
use crate::tls::TlsKeeper;
use crate::upgrade::upgrade;

/// A request and its answer may take this long; a slow body ends here.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Serves players at `port` for ever; while `doors.stop` is true no connection is taken.
pub async fn serve(port: Port, tls: Option<TlsKeeper>, shared: Shared, doors: Doors) {
    let gate = shared.gate.clone();
    let service = warp::service(filter(shared));
    accept::serve(port, tls, gate, Timed { service }, doors).await;
}

fn filter(
    shared: Shared,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let rest = Rest {
        upstream: shared.upstream.clone(),
        keys: shared.keys.clone(),
        revocations: shared.revocations.clone(),
        gate: Gate::clone(&shared.gate),
        sessions: shared.sessions.clone(),
        site: shared.site.clone(),
    };
    routes(&rest, play(shared))
}

fn play(
    shared: Shared,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path!("v1" / "play")
        .and(warp::get())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::ext::get::<Peer>())
        .and_then(move |headers, on_upgrade, Peer(peer): Peer| {
            let shared = shared.clone();
            let run = move |socket| socket::run(shared, socket, peer.ip());
            let answer = upgrade(headers, on_upgrade, MESSAGE_LEN_READ_MAX, run);
            ready(answer.map_err(warp::reject::custom))
        })
}

/// Ends requests that take too long.
#[derive(Clone)]
struct Timed<S> {
    service: S,
}

impl<S, R> tower::Service<R> for Timed<S>
where
    S: tower::Service<R, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = futures::future::BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.service.call(request));
        Box::pin(
            async move { answer.await.unwrap_or_else(|_| Ok(ApiError::Timeout.into_response())) },
        )
    }
}

#[cfg(test)]
mod tests;
