//! The sending half of a call: coalesced writes and a guard that resets what was not finished.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use arena_wire::frame::{self, FrameError, Kind};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame};
use quinn::{SendStream, VarInt};
use tonic::{Code, Status, body::Body};

use crate::fault::StreamError;

/// Writes are gathered up to this size: message by message costs twice the CPU.
pub(crate) const COALESCE: usize = 32 * 1024;
/// Larger pieces are handed to quinn as they are instead of being copied.
const COPY_MAX: usize = 8 * 1024;

/// A send stream that resets itself when it is dropped unfinished, so that a cut-off message never
/// looks complete (quinn finishes a stream that is merely dropped).
#[derive(Debug)]
pub(crate) struct Outgoing {
    stream: SendStream,
    addr: SocketAddr,
    finished: bool,
    /// Whether bytes have been handed to quinn.
    pub(crate) started: bool,
}

impl Outgoing {
    pub(crate) fn new(stream: SendStream, addr: SocketAddr) -> Self {
        Self { stream, addr, finished: false, started: false }
    }

    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let stopped = self.stream.stopped();
        async move {
            let _ = stopped.await;
        }
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.started = true;
        self.stream.write_chunk(bytes).await.map_err(|error| StreamError::write(self.addr, error))
    }

    pub(crate) fn finish(&mut self) {
        self.finished = true;
        let _ = self.stream.finish(); // an error means that it is closed already
    }

    /// Ends the stream with a gRPC code.
    pub(crate) fn reset(&mut self, code: Code) {
        self.reset_with(VarInt::from_u32(code as u32));
    }

    pub(crate) fn reset_with(&mut self, code: VarInt) {
        self.finished = true;
        let _ = self.stream.reset(code);
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if !self.finished {
            let code = if std::thread::panicking() { Code::Internal } else { Code::Cancelled };
            self.reset_with(VarInt::from_u32(code as u32));
        }
    }
}

/// Names that carry no information inside the mesh.
fn is_carried(name: &http::HeaderName) -> bool {
    !matches!(name.as_str(), "te" | "content-type" | "user-agent")
}

/// Appends a HEAD or TRAILERS frame.
pub(crate) fn put_headers(
    out: &mut BytesMut,
    kind: Kind,
    path: &str,
    headers: &HeaderMap,
) -> Result<(), FrameError> {
    let fields = headers.iter().filter(|(name, _)| is_carried(name));
    frame::put_head(out, kind, path, fields.map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// A body being written.
pub(crate) struct Writer {
    out: BytesMut,
    /// A large piece to be written uncopied after `out`.
    tail: Option<Bytes>,
    body: Body,
    side: Side,
}

/// Who writes: an answer ends with the status, a request with empty trailers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// What a step of gathering reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gathered {
    /// The body ended; its trailers are gathered.
    All,
    /// Enough for a write; more is to come.
    Some,
}

impl Writer {
    /// Starts with `out` (the head) and goes on with `body`.
    pub(crate) fn new(out: BytesMut, body: Body, side: Side) -> Self {
        Self { out, tail: None, body, side }
    }

    /// Gathers what the body has ready; pending means that it has no more for now.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<Result<Gathered, Status>> {
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            let step = match frame.transpose()? {
                Some(frame) => self.put(frame)?,
                None if self.side == Side::Client => {
                    put_headers(&mut self.out, Kind::Trailers, "", &HeaderMap::new())
                        .map_err(StreamError::from)?;
                    Some(Gathered::All)
                }
                None => return Poll::Ready(Err(Status::internal("answer without trailers"))),
            };
            if let Some(step) = step {
                return Poll::Ready(Ok(step));
            }
        }
    }

    fn put(&mut self, frame: Frame<Bytes>) -> Result<Option<Gathered>, Status> {
        match frame.into_data() {
            Ok(data) => {
                frame::put_header(&mut self.out, Kind::Data, data.len())
                    .map_err(|error| Status::resource_exhausted(error.to_string()))?;
                if data.len() > COPY_MAX {
                    self.tail = Some(data);
                    return Ok(Some(Gathered::Some));
                }
                self.out.extend_from_slice(&data);
                Ok((self.out.len() >= COALESCE).then_some(Gathered::Some))
            }
            Err(frame) => {
                let Ok(trailers) = frame.into_trailers() else { return Ok(None) };
                put_headers(&mut self.out, Kind::Trailers, "", &trailers)
                    .map_err(StreamError::from)?;
                Ok(Some(Gathered::All))
            }
        }
    }

    /// Gathers without waiting; `None` if the body has no more for now.
    pub(crate) async fn gather_now(&mut self) -> Result<Option<Gathered>, Status> {
        match poll_fn(|cx| Poll::Ready(self.poll_gather(cx))).await {
            Poll::Ready(gathered) => gathered.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Takes what is gathered: what was copied together, and a large piece after it.
    pub(crate) fn take(&mut self) -> (Bytes, Option<Bytes>) {
        (self.out.split().freeze(), self.tail.take())
    }

    /// Writes what is gathered.
    pub(crate) async fn flush(&mut self, to: &mut Outgoing) -> Result<(), StreamError> {
        let (first, tail) = self.take();
        to.write(first).await?;
        match tail {
            Some(tail) => to.write(tail).await,
            None => Ok(()),
        }
    }

    /// Writes the rest of the body and finishes the stream.
    pub(crate) async fn run(&mut self, to: &mut Outgoing) -> Result<(), Status> {
        loop {
            let step = poll_fn(|cx| match self.poll_gather(cx) {
                Poll::Pending if !self.out.is_empty() => Poll::Ready(Ok(Gathered::Some)),
                step => step,
            })
            .await?;
            self.flush(to).await?;
            if step == Gathered::All {
                to.finish();
                return Ok(());
            }
        }
    }
}
