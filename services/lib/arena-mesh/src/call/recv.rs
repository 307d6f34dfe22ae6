//! The receiving half of a call as an HTTP body.

use std::{
    future::Future,
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use arena_wire::frame::{Decoder, Event, Head, Kind};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use quinn::RecvStream;
use tonic::Status;

use crate::fault::StreamError;

/// Largest piece taken from quinn at once.
const CHUNK_MAX: usize = 256 * 1024;

/// Frames of one stream, then HTTP body frames of the call on it.
#[derive(Debug)]
pub(crate) struct Incoming {
    stream: Option<RecvStream>, // none once the body is complete: it holds the connection open
    decoder: Decoder,
    addr: SocketAddr,
    done: bool,
}

impl Incoming {
    pub(crate) fn new(stream: RecvStream, addr: SocketAddr) -> Self {
        Self { stream: Some(stream), decoder: Decoder::default(), addr, done: false }
    }

    /// Reads the next event, `None` at an orderly end of the stream.
    pub(crate) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Event>, StreamError>> {
        loop {
            if let Some(event) = self.decoder.next_event()? {
                return Poll::Ready(Ok(Some(event)));
            }
            let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(None)) };
            match ready!(pin!(stream.read_chunk(CHUNK_MAX, true)).poll(cx)) {
                Ok(Some(chunk)) => self.decoder.push(chunk.bytes),
                Ok(None) => {
                    let ended = self.decoder.finish().map(|()| None);
                    return Poll::Ready(ended.map_err(|_| StreamError::CutOff));
                }
                Err(error) => return Poll::Ready(Err(StreamError::read(self.addr, error))),
            }
        }
    }

    /// Reads the next event, `None` at an orderly end of the stream.
    pub(crate) async fn event(&mut self) -> Result<Option<Event>, StreamError> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Reads the first frame of a call's direction.
    pub(crate) async fn head(&mut self) -> Result<Head, StreamError> {
        match self.event().await? {
            Some(Event::Frame(Kind::Head, payload)) => Ok(Head::parse(payload)?),
            Some(_) => Err(StreamError::OutOfOrder),
            None => Err(StreamError::CutOff),
        }
    }

    /// Says that the head was the whole answer; only the end of the stream may follow.
    pub(crate) fn expect_nothing(&mut self) {
        self.done = true;
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let event = ready!(self.poll_event(cx));
        Poll::Ready(Some(match event {
            Ok(Some(Event::Data(bytes))) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Ok(Some(Event::Frame(Kind::Trailers, payload))) => {
                self.done = true;
                // Reading the end of the stream frees it; dropping it unread would send a stop.
                let _ = self.poll_event(cx);
                self.stream = None;
                Head::parse(payload).map_err(Into::into).and_then(headers).map(Frame::trailers)
            }
            Ok(Some(_)) => Err(StreamError::OutOfOrder),
            Ok(None) => Err(StreamError::CutOff),
            Err(error) => Err(error),
        }))
    }
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(self.poll_body(cx));
        if matches!(frame, Some(Err(_))) {
            self.done = true;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Status::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }
}

/// Collects the fields of a head.
pub(crate) fn headers(head: Head) -> Result<HeaderMap, StreamError> {
    const USUAL: usize = 8;
    let mut headers = HeaderMap::with_capacity(USUAL);
    for field in head {
        let (name, value) = field?;
        let name = match name {
            arena_wire::frame::Name::Known(name) => HeaderName::from_static(name),
            arena_wire::frame::Name::Other(name) => {
                HeaderName::from_bytes(&name).map_err(|_| StreamError::OutOfOrder)?
            }
        };
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| StreamError::OutOfOrder)?;
        headers.append(name, value);
    }
    Ok(headers)
}
