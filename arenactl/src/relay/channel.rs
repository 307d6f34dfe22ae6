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
use http::uri::PathAndQuery;
use http_body_util::{BodyExt as _, Full};
use tokio::sync::Mutex;
use tonic::Status;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tower::Service;

use super::protocol::UNKNOWN_CALL;
use super::{Call, Method, Relay, Reply, Target};
use crate::error::causes;

/// Messages that one call may gather: a move tells of seven phases.
const MESSAGE_COUNT_MAX: usize = 256;
/// Bytes of all these together: in base64 they fit into one line of the relay.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
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
        let Self { relay, cluster, service, target, answers, .. } = self;
        let method = Method { cluster, service, target, path, body, timeout_ms };
        let call = match answers {
            Answers::One => Call::Unary(method),
            Answers::Several => Call::Gather(method),
        };
        let reply = relay.lock().await.call(&call).await;
        // The relay may have made the call before it fell silent.
        answered(reply.map_err(|error| Status::unknown(causes(&error)))?)
    }
}

/// Frames what a relay replied to the call of a method.
fn answered(reply: Reply) -> Result<http::Response<Body>, Status> {
    match reply {
        Reply::Message { body: Some(body), .. } => response(&[decoded(&body)?], &Status::ok("")),
        Reply::Messages { bodies, code, why } => {
            let messages = bodies.iter().map(|body| decoded(body));
            response(&messages.collect::<Result<Vec<_>, _>>()?, &Status::new(code.into(), why))
        }
        Reply::Message { code, why, .. } => Err(Status::new(code.into(), why)),
        Reply::Failed { why } if why.starts_with(UNKNOWN_CALL) => Err(Status::unimplemented(
            "the operator in the cluster is of an older release, the next `arenactl deploy` replaces it",
        )),
        Reply::Unreachable { why } | Reply::Failed { why } => Err(Status::unavailable(why)),
        other => Err(Status::unknown(format!("unexpected reply {other:?}"))),
    }
}

fn decoded(body: &str) -> Result<Vec<u8>, Status> {
    STANDARD.decode(body).map_err(|error| Status::unknown(error.to_string()))
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
/// What the service, or the way to it, says.
pub(super) async fn call(channel: Channel, path: &str, message: Bytes) -> Result<Bytes, Status> {
    let (mut client, path) = ready(channel, path).await?;
    let answer = client.unary(tonic::Request::new(message), path, Raw).await?;
    Ok(answer.into_inner())
}

/// Calls a method with one message as it is, and returns all that it answers, and how it ended.
pub(super) async fn gather(channel: Channel, path: &str, message: Bytes) -> (Vec<Bytes>, Status) {
    let mut messages = Vec::new();
    let end = gather_into(&mut messages, channel, path, message).await;
    (messages, end.err().unwrap_or_else(|| Status::ok("")))
}

async fn gather_into(
    messages: &mut Vec<Bytes>,
    channel: Channel,
    path: &str,
    message: Bytes,
) -> Result<(), Status> {
    let (mut client, path) = ready(channel, path).await?;
    let answer = client.server_streaming(tonic::Request::new(message), path, Raw).await?;
    let (mut stream, mut bytes) = (answer.into_inner(), 0);
    while let Some(message) = stream.message().await? {
        bytes += message.len();
        if messages.len() >= MESSAGE_COUNT_MAX || bytes > MESSAGE_BYTES_MAX {
            return Err(Status::resource_exhausted("too many answers"));
        }
        messages.push(message);
    }
    Ok(())
}

async fn ready(channel: Channel, path: &str) -> Result<(Grpc<Channel>, PathAndQuery), Status> {
    let path = path.parse::<PathAndQuery>();
    let path = path.map_err(|error| Status::invalid_argument(error.to_string()))?;
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok((client, path))
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
    use tonic::Code;

    use super::*;

    #[test]
    fn a_reply_says_whether_the_call_was_made() {
        let failed = |why: &str| Reply::Failed { why: why.to_owned() };
        let code = |reply| answered(reply).err().map(|status| status.code());
        for (reply, expected) in [
            (Reply::Message { body: Some(String::new()), code: 0, why: String::new() }, None),
            (Reply::Messages { bodies: Vec::new(), code: 4, why: String::new() }, None),
            (failed("cannot use the authority"), Some(Code::Unavailable)),
            (failed(&format!("{UNKNOWN_CALL}: unknown variant")), Some(Code::Unimplemented)),
            (Reply::Done, Some(Code::Unknown)),
            (
                Reply::Message { body: Some("?".to_owned()), code: 0, why: String::new() },
                Some(Code::Unknown),
            ),
        ] {
            let text = format!("{reply:?}");
            assert_eq!(code(reply), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn messages_are_framed_one_by_one_and_the_status_is_behind_them() {
        let status = Status::aborted("somebody else moves it");
        let answer = response(&[b"ab".to_vec(), Vec::new()], &status).unwrap();
        let body = answer.into_body().collect().await.unwrap();
        let trailers = body.trailers().unwrap().clone();
        assert_eq!(body.to_bytes().as_ref(), b"\0\0\0\0\x02ab\0\0\0\0\0");
        let told = Status::from_header_map(&trailers).unwrap();
        assert_eq!((told.code(), told.message()), (Code::Aborted, "somebody else moves it"));
    }
}
