//! A request made ready to be sent, once or again.

use std::{
    future::poll_fn,
    task::Poll,
    time::{Duration, Instant},
};

use arena_wire::frame::Kind;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Uri, request::Parts};
use tonic::{Status, body::Body};

use crate::{
    call::send::{Gathered, Side, Writer, put_headers},
    context::{Call, GRPC_TIMEOUT, TRACEPARENT, TraceContext, timeout, timeout_header},
    fault::StreamError,
};

/// Room for a head and a small message without growing.
const FIRST_LEN: usize = 512;

/// What a call carries besides its message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) deadline: Option<Instant>,
    trace: Option<TraceContext>,
    own_timeout: Option<Duration>,
}

impl Context {
    /// Combines what the caller set with what the call being served hands down: the earlier deadline,
    /// and the trace unless the caller chose one.
    pub(crate) fn of(headers: &HeaderMap, default_deadline: Option<Duration>) -> Self {
        let served = Call::current();
        let own_timeout = timeout(headers);
        let own = own_timeout.map(|timeout| Instant::now() + timeout);
        let inherited = served.and_then(|call| call.deadline);
        let deadline = match (own, inherited) {
            (Some(own), Some(inherited)) => Some(own.min(inherited)),
            (own, inherited) => own.or(inherited),
        };
        let deadline = deadline.or_else(|| Some(Instant::now() + default_deadline?));
        let trace = (!headers.contains_key(TRACEPARENT))
            .then(|| served.map_or_else(TraceContext::random, |call| call.trace.child()));
        let own_timeout = own_timeout.filter(|_| deadline == own);
        Self { deadline, trace, own_timeout }
    }

    fn write(self, headers: &mut HeaderMap) {
        if let (Some(deadline), None) = (self.deadline, self.own_timeout) {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Ok(value) = HeaderValue::try_from(timeout_header(left)) {
                headers.insert(GRPC_TIMEOUT, value);
            }
        }
        if let Some(trace) = self.trace
            && let Ok(value) = HeaderValue::try_from(trace.to_string())
        {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// The bytes of a request.
pub(crate) struct Prepared {
    uri: Uri,
    /// The whole request if the body ended at once, as every unary one does.
    whole: Option<Bytes>,
    /// What is still to be written otherwise; taken by the first attempt.
    rest: Option<Writer>,
}

impl Prepared {
    pub(crate) fn new(request: Request<Body>, context: Context) -> Result<Self, Status> {
        let (Parts { uri, mut headers, .. }, body) = request.into_parts();
        context.write(&mut headers);
        let mut out = BytesMut::with_capacity(FIRST_LEN);
        put_headers(&mut out, Kind::Head, uri.path(), &headers).map_err(StreamError::from)?;
        Ok(Self { uri, whole: None, rest: Some(Writer::new(out, body, Side::Client)) })
    }

    /// Returns `package.Service/Method`.
    pub(crate) fn method(&self) -> &str {
        self.uri.path().trim_start_matches('/')
    }

    /// Returns whether the request can be sent from its start (again).
    pub(crate) fn is_replayable(&self) -> bool {
        self.whole.is_some() || self.rest.is_some()
    }

    /// Gathers what is there without waiting and says how to send it.
    pub(crate) async fn load(&mut self) -> Result<Load, Status> {
        if let Some(whole) = &self.whole {
            return Ok(Load::Whole(whole.clone()));
        }
        let Some(mut writer) = self.rest.take() else {
            return Err(Status::internal("a streamed request was sent twice"));
        };
        let gathered = poll_fn(|cx| Poll::Ready(writer.poll_gather(cx))).await;
        let first = match gathered {
            Poll::Ready(Ok(Gathered::All)) => {
                let whole = writer.out.freeze();
                self.whole = Some(whole.clone());
                return Ok(Load::Whole(whole));
            }
            Poll::Ready(Ok(Gathered::Some(piece))) => {
                let mut first = vec![writer.out.split().freeze()];
                first.extend(piece);
                first
            }
            Poll::Ready(Err(status)) => return Err(status),
            Poll::Pending => vec![writer.out.split().freeze()],
        };
        Ok(Load::Streamed(first, writer))
    }
}

/// How a request is sent.
pub(crate) enum Load {
    /// In one write, finish included.
    Whole(Bytes),
    /// These pieces now, the rest as it comes.
    Streamed(Vec<Bytes>, Writer),
}
