//! A socket's way out: a bounded lane of messages that must arrive, and a slot of the newest frames.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arena_types::Epoch;
use arena_wire::play::{Code, ServerMessage};
use bytes::Bytes;
use futures::{Sink, SinkExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::error::Elapsed;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::metrics::GatewayMetrics;
use crate::slot::Slot;

/// Messages that wait for a slow reader. A match has a few events a second, so this is minutes of
/// them; who is further behind is closed and resumes.
const RELIABLE_MAX: usize = 128;
/// A write that the socket does not take for so long ends the session's socket.
const STALL_MAX: Duration = Duration::from_secs(5);
/// A close frame may take this long.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// A message that must arrive.
#[derive(Debug)]
enum Reliable {
    Message(Bytes),
    /// The word of the owner of this epoch, said in this round of the slot. Frames of earlier ones leave before it, or
    /// never: a client sees no epoch fall.
    Owner(Epoch, u32, Bytes),
}

/// The sending side of a session's socket.
#[derive(Debug)]
pub struct Lanes {
    slot: Arc<Slot>,
    reliable: mpsc::Sender<Reliable>,
    close: watch::Sender<Option<Code>>,
}

impl Lanes {
    /// Starts to write to `sink`; the second value ends with the socket.
    #[must_use]
    pub fn start<S>(
        sink: S,
        slot: Arc<Slot>,
        metrics: GatewayMetrics,
    ) -> (Self, tokio::task::JoinHandle<()>)
    where
        S: Sink<Message> + Unpin + Send + 'static,
    {
        let (reliable, queue) = mpsc::channel(RELIABLE_MAX);
        let close = watch::Sender::new(None);
        let writer = Writer { sink, slot: slot.clone(), queue, close: close.subscribe(), metrics };
        (Self { slot, reliable, close }, tokio::spawn(writer.run()))
    }

    /// Sends a message after those before it.
    ///
    /// # Errors
    /// [`Code::TooSlow`] if too many wait already; the socket is then to be closed.
    pub fn send(&self, message: &ServerMessage) -> Result<(), Code> {
        let bytes = message.encode().into();
        let reliable = match message {
            ServerMessage::Owner(owner) => Reliable::Owner(owner.epoch, self.slot.round(), bytes),
            _ => Reliable::Message(bytes),
        };
        self.reliable.try_send(reliable).map_err(|_| Code::TooSlow)
    }

    /// Closes the socket with `code`, after the messages that wait unless the reader is too slow.
    pub fn close(&self, code: Code) {
        self.close.send_if_modified(|it| it.is_none() && it.replace(code).is_none());
    }
}

/// Waits until the socket shall be closed; nothing is borrowed after.
async fn asked(close: &mut watch::Receiver<Option<Code>>) {
    let _ = close.wait_for(Option::is_some).await; // without a sender the queue has ended too
}

struct Writer<S> {
    sink: S,
    slot: Arc<Slot>,
    queue: mpsc::Receiver<Reliable>,
    close: watch::Receiver<Option<Code>>,
    metrics: GatewayMetrics,
}

impl<S: Sink<Message> + Unpin> Writer<S> {
    async fn run(mut self) {
        let mut close = self.close.clone();
        let mut closing = pin!(asked(&mut close));
        loop {
            let written = tokio::select! {
                biased;
                () = &mut closing => return self.finish().await,
                message = self.queue.recv() => match message {
                    Some(message) => self.write_reliable(message).await,
                    None => return self.finish().await,
                },
                frames = self.slot.take() => self.write_frames(frames).await,
            };
            if !written {
                return;
            }
        }
    }

    /// Writes what must arrive; false if the socket did not take it in time.
    async fn write_reliable(&mut self, message: Reliable) -> bool {
        match message {
            Reliable::Message(bytes) => self.write(bytes).await,
            Reliable::Owner(epoch, round, bytes) => {
                let earlier = self.slot.raise(epoch, round);
                (earlier.is_empty() || self.write_frames(earlier).await) && self.write(bytes).await
            }
        }
    }

    /// Writes one message through to the socket; false if it did not take it in time.
    async fn write(&mut self, bytes: Bytes) -> bool {
        let len = bytes.len() as u64;
        let sent = tokio::time::timeout(STALL_MAX, self.sink.send(Message::Binary(bytes))).await;
        self.is_written(&sent, len)
    }

    /// Writes frames through to the socket, at once; false if it did not take them in time.
    async fn write_frames(&mut self, frames: Vec<Bytes>) -> bool {
        let (count, len) = (frames.len() as u64, frames.iter().map(|it| it.len() as u64).sum());
        let sink = &mut self.sink;
        let sending = async {
            for frame in frames {
                sink.feed(Message::Binary(frame)).await?;
            }
            sink.flush().await
        };
        let sent = tokio::time::timeout(STALL_MAX, sending).await;
        self.metrics.frames_sent.inc_by(count);
        self.is_written(&sent, len)
    }

    fn is_written(&self, sent: &Result<Result<(), S::Error>, Elapsed>, len: u64) -> bool {
        let is_whole = matches!(sent, Ok(Ok(())));
        if is_whole {
            self.metrics.bytes_sent.inc_by(len);
        } else if sent.is_err() {
            self.metrics.slow.inc();
        }
        is_whole
    }

    async fn finish(&mut self) {
        let code = *self.close.borrow();
        if code != Some(Code::TooSlow) {
            while let Ok(message) = self.queue.try_recv() {
                if !self.write_reliable(message).await {
                    return;
                }
            }
        }
        let message = match code {
            Some(code) => {
                self.metrics.closed(code);
                let reason = format!("{code:?}").into();
                Message::Close(Some(CloseFrame { code: code.number().into(), reason }))
            }
            None => Message::Close(None),
        };
        // A reader that has gone away does not take the close frame either.
        let _ = tokio::time::timeout(CLOSE_MAX, async {
            if self.sink.send(message).await.is_ok() {
                let _ = self.sink.close().await;
            }
        })
        .await;
    }
}
