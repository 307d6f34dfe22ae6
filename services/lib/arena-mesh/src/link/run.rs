//! Opens and accepts links, and runs their ordered stream.

use std::sync::{Arc, OnceLock};

use arena_wire::frame::{self, Event, Kind};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{Link, LinkError, LinkReceiver, LinkSender, ORDERED_QUEUE_MAX, Shared, mux::Mux};
use crate::{
    Peer,
    call::{
        recv::{Incoming, headers},
        send::{COALESCE, Outgoing, put_headers},
    },
    fault::StreamError,
    server::accept::Accepted,
};

/// Opens a link on a client's connection.
pub(crate) async fn open(mux: &Arc<Mux>, peer: Peer) -> Result<Link, LinkError> {
    let addr = peer.addr;
    let lost = |error| StreamError::lost(addr, error);
    let (send, receive) = mux.connection.open_bi().await.map_err(lost)?;
    let (mut send, mut receive) = (Outgoing::new(send, addr), Incoming::new(receive, addr));
    let number = mux.next_number();
    let shared = share(mux, number, peer).ok_or(LinkError::Closed)?;
    let mut out = BytesMut::new();
    frame::put_frame(&mut out, Kind::Link, &number.to_be_bytes()).map_err(StreamError::from)?;
    send.write(out.freeze()).await?;
    let answer = headers(receive.head().await?)?;
    match Status::from_header_map(&answer) {
        Some(status) => Err(LinkError::Refused { status: Box::new(status) }),
        None => Ok(start(shared, send, receive)),
    }
}

/// Accepts a link on a server's connection.
pub(crate) async fn accept(
    accepted: &Accepted,
    number: u32,
    mut send: Outgoing,
    receive: Incoming,
) -> Result<Link, StreamError> {
    let peer = accepted.peer.clone();
    let shared = share(&accepted.mux, number, peer).ok_or(StreamError::OutOfOrder)?;
    let mut out = BytesMut::new();
    put_headers(&mut out, Kind::Head, "", &HeaderMap::new())?;
    send.write(out.freeze()).await?;
    Ok(start(shared, send, receive))
}

fn share(mux: &Arc<Mux>, number: u32, peer: Peer) -> Option<Arc<Shared>> {
    let inbox = mux.register(number)?;
    Some(Arc::new(Shared {
        mux: mux.clone(),
        number,
        peer,
        inbox,
        ended: CancellationToken::new(),
        reason: OnceLock::new(),
    }))
}

fn start(shared: Arc<Shared>, send: Outgoing, receive: Incoming) -> Link {
    let (outbox, to_send) = mpsc::channel(ORDERED_QUEUE_MAX);
    let (arrived, inbox) = mpsc::channel(ORDERED_QUEUE_MAX);
    tokio::spawn(write_ordered(to_send, send, shared.ended.clone()));
    tokio::spawn(read_ordered(receive, arrived, shared.clone()));
    Link {
        sender: LinkSender { shared: shared.clone(), ordered: outbox },
        receiver: LinkReceiver { shared, ordered: inbox },
    }
}

/// Writes what is queued, many messages at once, until the link ends; then what is left.
async fn write_ordered(
    mut queue: mpsc::Receiver<Bytes>,
    mut send: Outgoing,
    ended: CancellationToken,
) {
    let mut messages = Vec::new();
    loop {
        let received = tokio::select! {
            received = queue.recv_many(&mut messages, ORDERED_QUEUE_MAX) => received,
            () = ended.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        if received == 0 {
            send.finish();
            return;
        }
        if write_all(&mut send, &mut messages).await.is_err() {
            return ended.cancel(); // the reader learns the reason
        }
    }
}

async fn write_all(send: &mut Outgoing, messages: &mut Vec<Bytes>) -> Result<(), StreamError> {
    let mut out = BytesMut::new();
    for message in messages.drain(..) {
        frame::put_frame(&mut out, Kind::Message, &message)?;
        if out.len() >= COALESCE {
            send.write(out.split().freeze()).await?;
        }
    }
    if out.is_empty() { Ok(()) } else { send.write(out.freeze()).await }
}

async fn read_ordered(mut receive: Incoming, arrived: mpsc::Sender<Bytes>, shared: Arc<Shared>) {
    let reason = loop {
        let event = tokio::select! {
            event = receive.event() => event,
            () = shared.ended.cancelled() => break None,
        };
        let message = match event {
            Ok(Some(Event::Frame(Kind::Message, message))) => message,
            Ok(Some(_)) => break Some(StreamError::OutOfOrder),
            Ok(None) => break None,
            Err(error) => break Some(error),
        };
        tokio::select! {
            sent = arrived.send(message) => if sent.is_err() { break None },
            () = shared.ended.cancelled() => break None,
        }
    };
    if let Some(reason) = reason {
        let _ = shared.reason.set(reason);
    }
    shared.ended.cancel();
}
