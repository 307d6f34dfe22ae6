//! Real time between two instances: an ordered stream and frames of which only the newest count, both
//! on one connection. Not for calls, and calls are not for this.

mod fragment;
pub(crate) mod mux;
mod run;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use quinn::SendDatagramError;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::mux::{Inbox, Mux};
pub(crate) use self::run::{accept, open};
use crate::{Peer, fault::StreamError};

/// The longest frame of [`LinkSender::send_latest`], in bytes.
pub const FRAME_LEN_MAX: usize = 64 * 1024;
/// Ordered messages waiting in either direction: a tick's batches of a busy instance; beyond it the
/// sender waits, and the peer's flow control tells the other side.
pub const ORDERED_QUEUE_MAX: usize = 256;

/// Why a link cannot be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The link has ended.
    #[error("the link has ended")]
    Closed,
    /// The ordered queue is full: the peer reads too slowly.
    #[error("the ordered queue of the link is full")]
    Full,
    /// The message or frame is too long.
    #[error("{len} bytes do not fit into a link's message, the limit is {max}")]
    TooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The peer refused the link.
    #[error("the peer refused the link: {}", status.message())]
    Refused {
        /// Its answer.
        status: Box<Status>,
    },
    /// No instance could be reached.
    #[error("no connection for the link: {}", status.message())]
    Connect {
        /// What a call would have got.
        status: Box<Status>,
    },
    /// The stream broke while the link was opened.
    #[error("the link could not be opened")]
    Stream {
        /// The cause.
        #[from]
        source: StreamError,
    },
}

/// What a link brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// The next ordered message.
    Ordered(Bytes),
    /// The oldest frame of a flow that has not been received yet; the newest few wait.
    Latest {
        /// The flow it belongs to.
        flow: u32,
        /// Its sequence number, greater than that of the flow's last one.
        seq: u32,
        /// Its content.
        bytes: Bytes,
    },
}

/// An open link. Dropping it (or its [`LinkReceiver`]) ends it: what was sent in order before still
/// arrives.
#[derive(Debug)]
pub struct Link {
    sender: LinkSender,
    receiver: LinkReceiver,
}

impl Link {
    /// Returns who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        self.sender.peer()
    }

    /// Returns another handle that sends.
    #[must_use]
    pub fn sender(&self) -> LinkSender {
        self.sender.clone()
    }

    /// Splits into the sending and the receiving half.
    #[must_use]
    pub fn split(self) -> (LinkSender, LinkReceiver) {
        (self.sender, self.receiver)
    }

    /// Is [`LinkSender::send_ordered`].
    ///
    /// # Errors
    /// As there.
    pub async fn send_ordered(&self, message: Bytes) -> Result<(), LinkError> {
        self.sender.send_ordered(message).await
    }

    /// Is [`LinkSender::send_latest`].
    ///
    /// # Errors
    /// As there.
    pub fn send_latest(&self, flow: u32, seq: u32, frame: &[u8]) -> Result<(), LinkError> {
        self.sender.send_latest(flow, seq, frame)
    }

    /// Is [`LinkReceiver::recv`].
    pub async fn recv(&mut self) -> Option<Received> {
        self.receiver.recv().await
    }
}

/// What both halves and the tasks of a link share.
#[derive(Debug)]
struct Shared {
    mux: Arc<Mux>,
    number: u32,
    peer: Peer,
    inbox: Arc<Inbox>,
    ended: CancellationToken,
    reason: OnceLock<StreamError>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.mux.remove(self.number);
    }
}

/// The sending half; clones send on the same link, from any thread.
#[derive(Clone, Debug)]
pub struct LinkSender {
    shared: Arc<Shared>,
    ordered: mpsc::Sender<Bytes>,
}

impl LinkSender {
    /// Returns who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.shared.peer
    }

    /// Sends a message in order and reliably, waiting while the queue is full.
    ///
    /// # Errors
    /// [`LinkError::Closed`], [`LinkError::TooLong`].
    pub async fn send_ordered(&self, message: Bytes) -> Result<(), LinkError> {
        check_message(&message)?;
        self.ordered.send(message).await.map_err(|_| LinkError::Closed)
    }

    /// Sends a message in order and reliably, without waiting.
    ///
    /// # Errors
    /// [`LinkError::Closed`], [`LinkError::TooLong`], [`LinkError::Full`].
    pub fn try_send_ordered(&self, message: Bytes) -> Result<(), LinkError> {
        check_message(&message)?;
        self.ordered.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => LinkError::Full,
            TrySendError::Closed(_) => LinkError::Closed,
        })
    }

    /// Sends a frame that may be lost; eight later ones of the same flow replace it. `seq` must grow
    /// within a flow (it may wrap), and a flow that starts over takes another number. Never waits.
    /// Send all frames of a tick together: they then share packets' system calls.
    ///
    /// # Errors
    /// [`LinkError::Closed`], [`LinkError::TooLong`].
    pub fn send_latest(&self, flow: u32, seq: u32, frame: &[u8]) -> Result<(), LinkError> {
        let too_long = LinkError::TooLong { len: frame.len(), max: FRAME_LEN_MAX };
        if frame.len() > FRAME_LEN_MAX {
            return Err(too_long);
        }
        if self.shared.ended.is_cancelled() {
            return Err(LinkError::Closed);
        }
        let connection = &self.shared.mux.connection;
        let room = connection.max_datagram_size().ok_or(LinkError::Closed)?;
        let ids = (self.shared.number, flow, seq);
        for datagram in fragment::split(ids, frame, room).ok_or(too_long)? {
            match connection.send_datagram(datagram) {
                Ok(()) => {}
                // The path has just shrunk: this frame is lost, the next is cut smaller.
                Err(SendDatagramError::TooLarge) => return Ok(()),
                Err(_) => return Err(LinkError::Closed),
            }
        }
        Ok(())
    }

    /// Waits until the link has ended, for whatever reason.
    pub async fn closed(&self) {
        self.shared.ended.cancelled().await;
    }

    /// Returns why the link broke; `None` while it is open and after an orderly end.
    #[must_use]
    pub fn reason(&self) -> Option<&StreamError> {
        self.shared.reason.get()
    }
}

fn check_message(message: &Bytes) -> Result<(), LinkError> {
    let max = arena_wire::frame::LINK_MESSAGE_LEN_MAX;
    if message.len() > max { Err(LinkError::TooLong { len: message.len(), max }) } else { Ok(()) }
}

/// The receiving half; dropping it ends the link.
#[derive(Debug)]
pub struct LinkReceiver {
    shared: Arc<Shared>,
    ordered: mpsc::Receiver<Bytes>,
}

impl LinkReceiver {
    /// Receives what comes next, ordered messages first; `None` once the link has ended and its
    /// messages are received. Cancel safe.
    pub async fn recv(&mut self) -> Option<Received> {
        loop {
            if let Ok(message) = self.ordered.try_recv() {
                return Some(Received::Ordered(message));
            }
            if let Some((flow, seq, bytes)) = self.shared.inbox.pop() {
                return Some(Received::Latest { flow, seq, bytes });
            }
            tokio::select! {
                message = self.ordered.recv() => return message.map(Received::Ordered),
                () = self.shared.inbox.arrived.notified() => {}
            }
        }
    }

    /// Returns why the link broke; `None` while it is open and after an orderly end.
    #[must_use]
    pub fn reason(&self) -> Option<&StreamError> {
        self.shared.reason.get()
    }
}

impl Drop for LinkReceiver {
    fn drop(&mut self) {
        self.shared.ended.cancel();
    }
}
