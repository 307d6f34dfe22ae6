//! Generated clients over the relay: one message there, one back.

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
}

impl RelayChannel {
    pub(crate) fn new(
        relay: Arc<Mutex<Relay>>,
        cluster: &str,
        service: &str,
        target: Target,
        timeout: Duration,
    ) -> Self {
        let (cluster, service) = (cluster.to_owned(), service.to_owned());
        Self { relay, cluster, service, target, timeout }
    }

    async fn send(self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await?.to_bytes();
        let message = body.get(PREFIX_LEN..).unwrap_or_default();
        let call = Call::Unary {
            cluster: self.cluster,
            service: self.service,
            target: self.target,
            path,
            body: STANDARD.encode(message),
            timeout_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
        };
        let reply = self.relay.lock().await.call(&call).await;
        match reply.map_err(|error| Status::unavailable(error.to_string()))? {
            Reply::Message { body: Some(body), .. } => {
                let message = STANDARD.decode(body);
                Ok(response(&message.map_err(|error| Status::internal(error.to_string()))?))
            }
            Reply::Message { code, why, .. } => Err(Status::new(code.into(), why)),
            Reply::Unreachable { why } | Reply::Failed { why } => Err(Status::unavailable(why)),
            other => Err(Status::internal(format!("unexpected reply {other:?}"))),
        }
    }
}

/// Frames a message as gRPC does, its status behind it.
fn response(message: &[u8]) -> http::Response<Body> {
    let mut frame = BytesMut::with_capacity(PREFIX_LEN + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let body = Full::new(frame.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = http::Response::new(Body::new(body));
    let grpc = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
    response
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
