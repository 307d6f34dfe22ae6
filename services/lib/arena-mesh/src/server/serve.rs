//! Serves one stream: a call, or a link.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use arena_wire::frame::{Event, Head, Kind};
use bytes::{Buf as _, BytesMut};
use http::{Method, Request, Response, Uri};
use quinn::{RecvStream, SendStream};
use tokio::time::Instant;
use tonic::{Code, Status, body::Body};
use tracing::Instrument as _;

use super::{
    Mounted,
    accept::{Accepted, Phase, Shared},
};
use crate::{
    Deadline, LINK_METHOD,
    call::{
        recv::{Incoming, headers},
        send::{Gathered, Outgoing, Side, Writer, put_headers},
    },
    context::Call,
    fault::{REFUSED, StreamError},
    link,
};

/// How long an opened stream may stay without its first frame: it came in the same packet.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(5);

/// Room for a head, a small message and trailers without growing.
const ANSWER_LEN: usize = 256;

pub(crate) async fn serve_stream(
    shared: Arc<Shared>,
    accepted: Arc<Accepted>,
    send: SendStream,
    mut receive: RecvStream,
) {
    let addr = accepted.peer.addr;
    let mut send = Outgoing::new(send, addr);
    if *shared.phase.borrow() == Phase::Refusing {
        send.reset_with(REFUSED);
        let _ = receive.stop(REFUSED);
        return;
    }
    let mut receive = Incoming::new(receive, addr);
    let Ok(Some(first)) = first_event(&mut receive).await else {
        return; // the peer gave up, or speaks another language
    };
    match first {
        Event::Frame(Kind::Head, payload) => {
            if let Ok(head) = Head::parse(payload) {
                serve_call(&shared, &accepted, head, send, receive).await;
            }
        }
        // Boxed, as all that is rare here: every call's task would be as large as the largest of them.
        Event::Frame(Kind::Link, payload) => {
            Box::pin(serve_link(&shared, &accepted, payload, send, receive)).await;
        }
        _ => send.reset(Code::Internal),
    }
}

async fn first_event(receive: &mut Incoming) -> Result<Option<Event>, StreamError> {
    let mut event = pin!(receive.event());
    if let Poll::Ready(event) = futures::poll!(&mut event) {
        return event; // the usual case needs no timer
    }
    let waited = Box::pin(tokio::time::timeout(HEAD_WAIT_MAX, event)).await;
    waited.unwrap_or(Err(StreamError::CutOff))
}

async fn serve_call(
    shared: &Shared,
    accepted: &Accepted,
    head: Head,
    mut send: Outgoing,
    receive: Incoming,
) {
    let Ok((path, headers)) = parse_head(head) else {
        return send.reset(Code::Internal);
    };
    let service = match admit(shared, accepted, path.path().trim_start_matches('/')) {
        Ok(service) => service,
        Err(status) => return Box::pin(refuse(&mut send, &status)).await,
    };
    let call = Call::arriving(&headers);
    let span = tracing::info_span!(
        "rpc",
        method = path.path().trim_start_matches('/'),
        caller = %accepted.peer.id,
        trace_id = format_args!("{:032x}", call.trace.trace_id)
    );
    let mut request = Request::new(Body::new(receive));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path;
    *request.headers_mut() = headers;
    request.extensions_mut().insert(accepted.peer.clone());
    if let Some(deadline) = call.deadline {
        request.extensions_mut().insert(Deadline(deadline));
    }
    let work = answer(service.call(request), &mut send, call.deadline);
    match call.scope(work).instrument(span).await {
        Ok(()) => {}
        Err(Cut::Failed(status)) => send.reset(status.code()),
        Err(Cut::Stopped) => send.reset(Code::Cancelled),
        Err(Cut::Late) if send.started => send.reset(Code::DeadlineExceeded),
        Err(Cut::Late) => {
            let status = Status::deadline_exceeded("the deadline passed in the handler");
            Box::pin(refuse(&mut send, &status)).await;
        }
    }
}

/// Returns who serves `method`, if the caller may call it.
fn admit<'a>(
    shared: &'a Shared,
    accepted: &Accepted,
    method: &str,
) -> Result<&'a Arc<dyn Mounted>, Status> {
    let caller = &accepted.peer.id;
    if !shared.mounts.policy.allows(caller, method) {
        audit_refusal(accepted, method);
        return Err(Status::permission_denied(format!("{caller} may not call {method}")));
    }
    accepted.widen();
    let service = method.split_once('/').and_then(|(name, _)| shared.mounts.services.get(name));
    service.ok_or_else(|| Status::unimplemented(format!("no method {method} here")))
}

/// Why an answer was not written to its end.
enum Cut {
    Failed(Status),
    Stopped,
    Late,
}

impl From<StreamError> for Cut {
    fn from(error: StreamError) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs a handler and writes its answer: in one write if all of it is there at once.
async fn answer(
    handler: impl Future<Output = Response<Body>>,
    send: &mut Outgoing,
    deadline: Option<std::time::Instant>,
) -> Result<(), Cut> {
    let (parts, body) = race(handler, || send.stopped(), deadline).await?.into_parts();
    let mut out = BytesMut::with_capacity(ANSWER_LEN);
    put_headers(&mut out, Kind::Head, "", &parts.headers).map_err(StreamError::from)?;
    if parts.headers.contains_key("grpc-status") {
        send.write(out.freeze()).await?;
        send.finish();
        return Ok(());
    }
    let mut writer = Writer::new(out, body, Side::Server);
    let gathered = writer.gather_now().await.map_err(Cut::Failed)?;
    writer.flush(send).await?;
    if gathered == Some(Gathered::All) {
        send.finish();
        return Ok(());
    }
    let stopped = send.stopped();
    Box::pin(race(writer.run(send), || stopped, deadline)).await?.map_err(Cut::Failed)
}

/// Runs `work` until it is done, the caller is gone, or the deadline has passed. What is ready at once
/// needs neither timer nor notification.
async fn race<T, S: Future<Output = ()>>(
    work: impl Future<Output = T>,
    stopped: impl FnOnce() -> S,
    deadline: Option<std::time::Instant>,
) -> Result<T, Cut> {
    let mut work = pin!(work);
    if let Poll::Ready(done) = futures::poll!(&mut work) {
        return Ok(done);
    }
    Box::pin(outlast(work, stopped(), deadline)).await
}

async fn outlast<T>(
    work: Pin<&mut impl Future<Output = T>>,
    stopped: impl Future<Output = ()>,
    deadline: Option<std::time::Instant>,
) -> Result<T, Cut> {
    let late = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(Instant::from_std(deadline)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        done = work => Ok(done),
        () = stopped => Err(Cut::Stopped),
        () = late => Err(Cut::Late),
    }
}

fn parse_head(mut head: Head) -> Result<(Uri, http::HeaderMap), StreamError> {
    let path = std::mem::take(&mut head.path);
    let path = Uri::from_maybe_shared(path).map_err(|_| StreamError::OutOfOrder)?;
    Ok((path, headers(head)?))
}

fn audit_refusal(accepted: &Accepted, method: &str) {
    let peer = &accepted.peer;
    tracing::warn!(target: "audit", caller = %peer.id, addr = %peer.addr, method, "call refused");
}

/// Answers with a status and nothing else.
async fn refuse(send: &mut Outgoing, status: &Status) {
    let response = status.clone().into_http::<Body>();
    let mut out = BytesMut::new();
    match put_headers(&mut out, Kind::Head, "", response.headers()) {
        Ok(()) => {
            if send.write(out.freeze()).await.is_ok() {
                send.finish();
            }
        }
        Err(_) => send.reset(status.code()),
    }
}

async fn serve_link(
    shared: &Shared,
    accepted: &Accepted,
    mut payload: bytes::Bytes,
    mut send: Outgoing,
    receive: Incoming,
) {
    let (Some(handler), Ok(number)) = (&shared.mounts.links, payload.try_get_u32()) else {
        return refuse(&mut send, &Status::unimplemented("no links here")).await;
    };
    if !shared.mounts.policy.allows(&accepted.peer.id, LINK_METHOD) {
        audit_refusal(accepted, LINK_METHOD);
        let status = Status::permission_denied(format!("{} may not link", accepted.peer.id));
        return refuse(&mut send, &status).await;
    }
    accepted.widen();
    match link::accept(accepted, number, send, receive).await {
        Ok(link) => handler(link).await,
        Err(error) => tracing::debug!(peer = %accepted.peer.id, %error, "link not opened"),
    }
}
