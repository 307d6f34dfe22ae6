//! The sending half of a call: coalesced writes and a guard that resets what was not finished.

use std::{future::poll_fn, net::SocketAddr, pin::Pin, task::Poll};

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

/// A body being written, and how far it got.
pub(crate) struct Writer {
    /// Bytes not yet handed to quinn.
    pub(crate) out: BytesMut,
    body: Body,
    side: Side,
}

/// Who writes: an answer ends with the status, a request with empty trailers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// What a step of [`Writer::poll_gather`] reached.
pub(crate) enum Gathered {
    /// The body ended and its trailers are in `out`.
    All,
    /// `out` is full enough to be written, or this piece should go out uncopied after it.
    Some(Option<Bytes>),
}

impl Writer {
    pub(crate) fn new(out: BytesMut, body: Body, side: Side) -> Self {
        Self { out, body, side }
    }

    /// Gathers what the body has ready; pending means that `out` holds all there is for now.
    pub(crate) fn poll_gather(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Result<Gathered, Status>> {
        loop {
            let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
            match frame.transpose()? {
                None if self.side == Side::Client => {
                    put_headers(&mut self.out, Kind::Trailers, "", &HeaderMap::new())
                        .map_err(StreamError::from)?;
                    return Poll::Ready(Ok(Gathered::All));
                }
                None => return Poll::Ready(Err(Status::internal("answer without trailers"))),
                Some(frame) => {
                    if let Some(step) = self.put(frame)? {
                        return Poll::Ready(Ok(step));
                    }
                }
            }
        }
    }

    fn put(&mut self, frame: Frame<Bytes>) -> Result<Option<Gathered>, Status> {
        match frame.into_data() {
            Ok(data) => {
                frame::put_header(&mut self.out, Kind::Data, data.len())
                    .map_err(|error| Status::resource_exhausted(error.to_string()))?;
                if data.len() > COPY_MAX {
                    return Ok(Some(Gathered::Some(Some(data))));
                }
                self.out.extend_from_slice(&data);
                Ok((self.out.len() >= COALESCE).then_some(Gathered::Some(None)))
            }
            Err(frame) => {
                let Ok(trailers) = frame.into_trailers() else { return Ok(None) };
                put_headers(&mut self.out, Kind::Trailers, "", &trailers)
                    .map_err(StreamError::from)?;
                Ok(Some(Gathered::All))
            }
        }
    }

    /// Writes the rest of the body and finishes the stream.
    pub(crate) async fn run(&mut self, to: &mut Outgoing) -> Result<(), Status> {
        loop {
            let ready = poll_fn(|cx| Poll::Ready(self.poll_gather(cx))).await;
            let step = match ready {
                Poll::Ready(step) => step?,
                Poll::Pending => {
                    if !self.out.is_empty() {
                        to.write(self.out.split().freeze()).await?;
                    }
                    poll_fn(|cx| self.poll_gather(cx)).await?
                }
            };
            match step {
                Gathered::All => {
                    to.write(self.out.split().freeze()).await?;
                    to.finish();
                    return Ok(());
                }
                Gathered::Some(piece) => {
                    to.write(self.out.split().freeze()).await?;
                    if let Some(piece) = piece {
                        to.write(piece).await?;
                    }
                }
            }
        }
    }
}
