//! The public side put together: routes, WebSocket, accept loop.

use std::convert::Infallible;
use std::time::Duration;

use warp::reply::{Reply as _, Response};
use warp::{Filter, Rejection};

use crate::accept::{self, Doors, Gate, Peer, Port};
use crate::rest::{ApiError, Rest, routes};
use crate::socket::{self, MESSAGE_LEN_READ_MAX, Shared};
use crate::tls::TlsKeeper;

/// Bytes a socket's write buffer may hold beyond what is being written: the lanes are the queue.
const WRITE_BUFFER_MAX: usize = 256 << 10;
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
    warp::path!("v1" / "play").and(warp::ws()).and(warp::ext::get::<Peer>()).map(
        move |ws: warp::ws::Ws, Peer(peer): Peer| {
            let shared = shared.clone();
            ws.max_message_size(MESSAGE_LEN_READ_MAX)
                .max_frame_size(MESSAGE_LEN_READ_MAX)
                .max_write_buffer_size(WRITE_BUFFER_MAX)
                .on_upgrade(move |socket| socket::run(shared, socket, peer.ip()))
                .into_response()
        },
    )
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
