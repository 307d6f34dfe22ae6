//! From a request to a WebSocket. warp's own upgrade leaves the read buffer at 128 KiB a socket, cleared for each read:
//! a quarter of the CPU of a gateway, and a gigabyte for ten thousand players.

use std::future::Future;

use http::{HeaderMap, Request};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use warp::reply::{Reply as _, Response};

use crate::rest::ApiError;

/// Bytes read at once: what a client sends within a tick is a tenth of this.
const READ_BUFFER: usize = 1 << 10;
/// Bytes a socket's write buffer may hold beyond what is being written: the lanes are the queue.
const WRITE_BUFFER_MAX: usize = 256 << 10;

/// An open WebSocket of a client.
pub type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Answers a request for a WebSocket (RFC 6455, 4.2), which `run` then has; messages over `message_len_max` bytes end
/// it.
///
/// # Errors
/// [`ApiError::BadRequest`] if it is none.
pub fn upgrade<F, R>(
    headers: HeaderMap,
    on_upgrade: Option<OnUpgrade>,
    message_len_max: usize,
    run: F,
) -> Result<Response, ApiError>
where
    F: FnOnce(Socket) -> R + Send + 'static,
    R: Future<Output = ()> + Send,
{
    let mut request = Request::new(());
    *request.headers_mut() = headers;
    let refused = |why: &dyn std::fmt::Display| ApiError::BadRequest(why.to_string());
    let answer = create_response(&request).map_err(|error| refused(&error))?;
    let on_upgrade = on_upgrade.ok_or_else(|| refused(&"the connection cannot be upgraded"))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .max_message_size(Some(message_len_max))
        .max_frame_size(Some(message_len_max));
    tokio::spawn(async move {
        match on_upgrade.await {
            Ok(upgraded) => {
                let stream = TokioIo::new(upgraded);
                run(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await)
                    .await;
            }
            Err(error) => {
                tracing::debug!(%error, "a client went away before its WebSocket was open");
            }
        }
    });
    let mut response = warp::reply().into_response();
    *response.status_mut() = answer.status();
    response.headers_mut().extend(answer.headers().clone());
    Ok(response)
}
