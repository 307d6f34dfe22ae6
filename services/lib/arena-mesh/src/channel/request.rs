//! A request made ready to be sent, once or again.

use std::time::{Duration, Instant};

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

/// Requests up to this size are kept until their answer, so that they can be sent again.
const REPLAY_MAX: usize = 256 * 1024;

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
    whole: Option<Whole>,
    /// What is still to be written otherwise; taken by the first attempt.
    rest: Option<Writer>,
}

/// A whole request; more than one piece only if its message is large.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) first: Bytes,
    pub(crate) more: Vec<Bytes>,
}

/// How a request is sent.
pub(crate) enum Load {
    /// At once, finish included.
    Whole(Whole),
    /// This now, the rest as it comes.
    Streamed(Box<(Whole, Writer)>),
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
        let mut gathered = writer.gather_now().await?;
        let (first, tail) = writer.take();
        let mut whole = Whole { first, more: tail.into_iter().collect() };
        let mut len = whole.len();
        while gathered == Some(Gathered::Some) && len <= REPLAY_MAX {
            gathered = writer.gather_now().await?;
            let (next, tail) = writer.take();
            len += next.len() + tail.as_ref().map_or(0, Bytes::len);
            whole.more.extend(std::iter::once(next).chain(tail));
        }
        if gathered == Some(Gathered::All) {
            self.whole = Some(whole.clone());
            return Ok(Load::Whole(whole));
        }
        Ok(Load::Streamed(Box::new((whole, writer))))
    }
}

impl Whole {
    fn len(&self) -> usize {
        self.first.len() + self.more.iter().map(Bytes::len).sum::<usize>()
    }
}
