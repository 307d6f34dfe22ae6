//! Generated clients over the relay: one message there, one or several back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arena_mesh::Channel;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::Mutex;
use tonic::Status;
use tonic::body::Body;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tower::Service;

use super::{Call, Relay, Reply, Target};

/// Messages that one call may gather: a move tells of seven phases.
const MESSAGE_COUNT_MAX: usize = 256;
/// Bytes before a message: a flag and its length (gRPC over HTTP/2, `Length-Prefixed-Message`).
const PREFIX_LEN: usize = 5;

/// A tower service that generated clients take: it sends each call through the relay.
#[derive(Clone)]
pub(crate) struct RelayChannel {
    relay: Arc<Mutex<Relay>>,
    cluster: String,
    service: String,
    target: Target,
    timeout: Duration,
    answers: Answers,
}

/// How many messages a method answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// One.
    One,
    /// Several: they come together, when the last one is there.
    Several,
}

impl RelayChannel {
    pub(crate) fn new(
        relay: Arc<Mutex<Relay>>,
        cluster: &str,
        service: &str,
        target: Target,
        timeout: Duration,
        answers: Answers,
    ) -> Self {
        let (cluster, service) = (cluster.to_owned(), service.to_owned());
        Self { relay, cluster, service, target, timeout, answers }
    }

    async fn send(self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await?.to_bytes();
        let body = STANDARD.encode(body.get(PREFIX_LEN..).unwrap_or_default());
        let timeout_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let Self { cluster, service, target, .. } = self;
        let call = match self.answers {
            Answers::One => Call::Unary { cluster, service, target, path, body, timeout_ms },
            Answers::Several => Call::Gather { cluster, service, target, path, body, timeout_ms },
        };
        let reply = self.relay.lock().await.call(&call).await;
        match reply.map_err(|error| Status::unavailable(error.to_string()))? {
            Reply::Message { body: Some(body), .. } => {
                response(&[decoded(&body)?], &Status::ok(""))
            }
            Reply::Messages { bodies, code, why } => {
                let messages = bodies.iter().map(|body| decoded(body));
                response(&messages.collect::<Result<Vec<_>, _>>()?, &Status::new(code.into(), why))
            }
            Reply::Message { code, why, .. } => Err(Status::new(code.into(), why)),
            Reply::Unreachable { why } | Reply::Failed { why } => Err(Status::unavailable(why)),
            other => Err(Status::internal(format!("unexpected reply {other:?}"))),
        }
    }
}

fn decoded(body: &str) -> Result<Vec<u8>, Status> {
    STANDARD.decode(body).map_err(|error| Status::internal(error.to_string()))
}

/// Frames messages as gRPC does, the status behind them.
fn response(messages: &[Vec<u8>], status: &Status) -> Result<http::Response<Body>, Status> {
    let mut frames = BytesMut::new();
    for message in messages {
        frames.put_u8(0);
        frames.put_u32(message.len() as u32);
        frames.put_slice(message);
    }
    let mut trailers = http::HeaderMap::new();
    status.add_header(&mut trailers)?;
    let body = Full::new(frames.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = http::Response::new(Body::new(body));
    let grpc = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
    Ok(response)
}

impl Service<http::Request<Body>> for RelayChannel {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

/// Calls a method with one message as it is, and returns one as it is.
///
/// # Errors
/// If the path is none; the service's own refusal is inside.
pub(super) async fn call(
    channel: Channel,
    path: &str,
    message: Bytes,
) -> Result<Result<Bytes, Status>, http::uri::InvalidUri> {
    let path: http::uri::PathAndQuery = path.parse()?;
    let mut client = tonic::client::Grpc::new(channel);
    if let Err(error) = client.ready().await {
        return Ok(Err(Status::unavailable(error.to_string())));
    }
    let answer = client.unary(tonic::Request::new(message), path, Raw).await;
    Ok(answer.map(tonic::Response::into_inner))
}

/// Calls a method with one message as it is, and returns all that it answers, and how it ended.
///
/// # Errors
/// If the path is none.
pub(super) async fn gather(
    channel: Channel,
    path: &str,
    message: Bytes,
) -> Result<(Vec<Bytes>, Status), http::uri::InvalidUri> {
    let path: http::uri::PathAndQuery = path.parse()?;
    let mut client = tonic::client::Grpc::new(channel);
    if let Err(error) = client.ready().await {
        return Ok((Vec::new(), Status::unavailable(error.to_string())));
    }
    let mut messages = Vec::new();
    let answer = client.server_streaming(tonic::Request::new(message), path, Raw).await;
    let mut stream = match answer {
        Ok(answer) => answer.into_inner(),
        Err(status) => return Ok((messages, status)),
    };
    loop {
        match stream.message().await {
            Ok(Some(_)) if messages.len() >= MESSAGE_COUNT_MAX => {
                return Ok((messages, Status::resource_exhausted("too many answers")));
            }
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return Ok((messages, Status::ok(""))),
            Err(status) => return Ok((messages, status)),
        }
    }
}

/// Messages as bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_framed_one_by_one_and_the_status_is_behind_them() {
        let status = Status::aborted("somebody else moves it");
        let answer = response(&[b"ab".to_vec(), Vec::new()], &status).unwrap();
        let body = answer.into_body().collect().await.unwrap();
        let trailers = body.trailers().unwrap().clone();
        assert_eq!(body.to_bytes().as_ref(), b"\0\0\0\0\x02ab\0\0\0\0\0");
        let told = Status::from_header_map(&trailers).unwrap();
        assert_eq!((told.code(), told.message()), (tonic::Code::Aborted, "somebody else moves it"));
    }
}
