//! Frames of the mesh: how a call, a link and a control stream look on a QUIC stream.
//!
//! A frame is `u8 kind, u32 length (big endian), payload`. A call is `HEAD DATA* TRAILERS` in both
//! directions; a side that ends its stream anywhere else was cut off, which [`Decoder::finish`] reports.
//! `DATA` is a byte stream and may be cut into frames anywhere; all other kinds arrive whole.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes of kind and length before each payload.
pub const FRAME_HEADER_LEN: usize = 5;
/// The longest HEAD or TRAILERS payload: metadata is names and tokens, never content.
pub const HEAD_LEN_MAX: usize = 16 * 1024;
/// The longest gRPC message; larger things belong in an object store.
pub const MESSAGE_LEN_MAX: usize = 4 * 1024 * 1024;
/// The longest DATA payload: the longest message and its five bytes of gRPC prefix.
pub const DATA_LEN_MAX: usize = MESSAGE_LEN_MAX + 5;
/// The longest ordered message of a link: events and batches of inputs are far below it.
pub const LINK_MESSAGE_LEN_MAX: usize = 256 * 1024;
/// The longest GOAWAY or LINK payload.
pub const CONTROL_LEN_MAX: usize = 64;

/// Names that travel as one byte, `0x80 | index`. Append only: the index is the wire format.
pub const KNOWN_NAMES: [&str; 8] = [
    "grpc-timeout",
    "traceparent",
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "content-type",
    "grpc-encoding",
    "grpc-accept-encoding",
];
const KNOWN_BIT: u8 = 0x80;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Part of the stream of gRPC messages of a call.
    Data = 0,
    /// The end of a call's direction: status in answers, nothing in requests.
    Trailers = 1,
    /// The start of a call or of its answer.
    Head = 2,
    /// On the control stream: open no further streams on this connection.
    GoAway = 3,
    /// The start of a link: its number, big endian `u32`.
    Link = 4,
    /// One ordered message of a link.
    Message = 5,
}

impl Kind {
    const fn from_u8(kind: u8) -> Option<Self> {
        Some(match kind {
            0 => Self::Data,
            1 => Self::Trailers,
            2 => Self::Head,
            3 => Self::GoAway,
            4 => Self::Link,
            5 => Self::Message,
            _ => return None,
        })
    }

    /// Returns the longest payload this kind may have, in bytes.
    #[must_use]
    pub const fn len_max(self) -> usize {
        match self {
            Self::Data => DATA_LEN_MAX,
            Self::Trailers | Self::Head => HEAD_LEN_MAX,
            Self::GoAway | Self::Link => CONTROL_LEN_MAX,
            Self::Message => LINK_MESSAGE_LEN_MAX,
        }
    }
}

/// Why bytes are not frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A kind this version does not know.
    #[error("unknown frame kind {kind}")]
    UnknownKind {
        /// The byte found.
        kind: u8,
    },
    /// A payload above the limit of its kind.
    #[error("{kind:?} frame of {len} bytes, the limit is {max}")]
    TooLong {
        /// The frame's kind.
        kind: Kind,
        /// Its announced or wanted length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The stream ended inside a frame.
    #[error("stream ended inside a frame")]
    Truncated,
    /// A HEAD or TRAILERS payload that does not parse.
    #[error("malformed head")]
    MalformedHead,
}

/// One event of a decoded stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Some bytes of DATA, never empty; a frame may give several of these.
    Data(Bytes),
    /// A whole frame of any other kind.
    Frame(Kind, Bytes),
}

/// Turns chunks of a stream into [`Event`]s without copying chunks that hold whole frames.
#[derive(Debug, Default)]
pub struct Decoder {
    chunk: Bytes,
    carry: BytesMut, // a frame that spans chunks; `chunk` is empty while this is not
    data_left: usize,
}

impl Decoder {
    /// Appends the next bytes of the stream.
    pub fn push(&mut self, bytes: Bytes) {
        if self.carry.is_empty() && self.chunk.is_empty() {
            self.chunk = bytes;
            return;
        }
        let rest = std::mem::take(&mut self.chunk);
        self.carry.extend_from_slice(&rest);
        self.carry.extend_from_slice(&bytes);
    }

    /// Returns the next event, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`FrameError::UnknownKind`] and [`FrameError::TooLong`]; the stream cannot be read further.
    pub fn next_event(&mut self) -> Result<Option<Event>, FrameError> {
        loop {
            if self.data_left > 0 {
                let len = self.data_left.min(self.buffered());
                if len == 0 {
                    return Ok(None);
                }
                self.data_left -= len;
                return Ok(Some(Event::Data(self.take(len))));
            }
            let Some((kind, len)) = self.header()? else { return Ok(None) };
            if kind == Kind::Data {
                self.take(FRAME_HEADER_LEN);
                self.data_left = len;
                continue;
            }
            if self.buffered() < FRAME_HEADER_LEN + len {
                return Ok(None);
            }
            self.take(FRAME_HEADER_LEN);
            return Ok(Some(Event::Frame(kind, self.take(len))));
        }
    }

    /// Says that the stream has ended.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] if it ended inside a frame.
    pub fn finish(&self) -> Result<(), FrameError> {
        if self.data_left == 0 && self.buffered() == 0 {
            Ok(())
        } else {
            Err(FrameError::Truncated)
        }
    }

    fn header(&self) -> Result<Option<(Kind, usize)>, FrameError> {
        let bytes: &[u8] = if self.carry.is_empty() { &self.chunk } else { &self.carry };
        let Some(mut header) = bytes.get(..FRAME_HEADER_LEN) else { return Ok(None) };
        let kind = header.get_u8();
        let kind = Kind::from_u8(kind).ok_or(FrameError::UnknownKind { kind })?;
        let len = header.get_u32() as usize;
        check_len(kind, len)?;
        Ok(Some((kind, len)))
    }

    fn buffered(&self) -> usize {
        self.chunk.len() + self.carry.len()
    }

    fn take(&mut self, len: usize) -> Bytes {
        if self.carry.is_empty() {
            self.chunk.split_to(len)
        } else {
            self.carry.split_to(len).freeze()
        }
    }
}

fn check_len(kind: Kind, len: usize) -> Result<(), FrameError> {
    let max = kind.len_max();
    if len > max { Err(FrameError::TooLong { kind, len, max }) } else { Ok(()) }
}

/// Appends the five bytes before a payload of `len` bytes.
///
/// # Errors
/// [`FrameError::TooLong`]; nothing is appended.
pub fn put_header(out: &mut BytesMut, kind: Kind, len: usize) -> Result<(), FrameError> {
    check_len(kind, len)?;
    out.put_u8(kind as u8);
    out.put_u32(len as u32);
    Ok(())
}

/// Appends a whole frame.
///
/// # Errors
/// [`FrameError::TooLong`]; nothing is appended.
pub fn put_frame(out: &mut BytesMut, kind: Kind, payload: &[u8]) -> Result<(), FrameError> {
    put_header(out, kind, payload.len())?;
    out.extend_from_slice(payload);
    Ok(())
}

/// Appends a HEAD or TRAILERS frame: the path (empty in answers and trailers) and named values.
///
/// # Errors
/// [`FrameError::TooLong`] if it is above [`HEAD_LEN_MAX`], [`FrameError::MalformedHead`] if a name is
/// empty or longer than 127 bytes; nothing is appended.
pub fn put_head<'a>(
    out: &mut BytesMut,
    kind: Kind,
    path: &str,
    fields: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), FrameError> {
    let start = out.len();
    let done = put_head_unchecked(out, kind, path, fields).and_then(|()| {
        let len = out.len() - start - FRAME_HEADER_LEN;
        check_len(kind, len)?;
        out[start + 1..start + FRAME_HEADER_LEN].copy_from_slice(&(len as u32).to_be_bytes());
        Ok(())
    });
    if done.is_err() {
        out.truncate(start);
    }
    done
}

fn put_head_unchecked<'a>(
    out: &mut BytesMut,
    kind: Kind,
    path: &str,
    fields: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), FrameError> {
    check_len(kind, path.len())?;
    out.put_u8(kind as u8);
    out.put_u32(0);
    out.put_u16(path.len() as u16);
    out.put_slice(path.as_bytes());
    for (name, value) in fields {
        match KNOWN_NAMES.iter().position(|known| *known == name) {
            Some(index) => out.put_u8(KNOWN_BIT | index as u8),
            None if name.is_empty() || name.len() >= usize::from(KNOWN_BIT) => {
                return Err(FrameError::MalformedHead);
            }
            None => {
                out.put_u8(name.len() as u8);
                out.put_slice(name.as_bytes());
            }
        }
        check_len(kind, value.len())?;
        out.put_u16(value.len() as u16);
        out.put_slice(value);
    }
    Ok(())
}

/// A field's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// One of [`KNOWN_NAMES`].
    Known(&'static str),
    /// Any other, as sent.
    Other(Bytes),
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Known(name) => name.as_bytes(),
            Self::Other(name) => name,
        }
    }
}

/// A decoded HEAD or TRAILERS payload: its path, then its fields by iteration.
#[derive(Clone, Debug)]
pub struct Head {
    /// The path of the call, empty in answers and trailers.
    pub path: Bytes,
    rest: Bytes,
}

impl Head {
    /// Parses the payload of a HEAD or TRAILERS frame; fields are parsed as they are iterated.
    ///
    /// # Errors
    /// [`FrameError::MalformedHead`].
    pub fn parse(mut payload: Bytes) -> Result<Self, FrameError> {
        let len = usize::from(payload.try_get_u16().map_err(|_| FrameError::MalformedHead)?);
        let path = split(&mut payload, len)?;
        Ok(Self { path, rest: payload })
    }

    fn field(&mut self) -> Result<(Name, Bytes), FrameError> {
        let first = self.rest.try_get_u8().map_err(|_| FrameError::MalformedHead)?;
        let name = if first & KNOWN_BIT != 0 {
            let index = usize::from(first & !KNOWN_BIT);
            Name::Known(KNOWN_NAMES.get(index).ok_or(FrameError::MalformedHead)?)
        } else if first == 0 {
            return Err(FrameError::MalformedHead);
        } else {
            Name::Other(split(&mut self.rest, usize::from(first))?)
        };
        let len = usize::from(self.rest.try_get_u16().map_err(|_| FrameError::MalformedHead)?);
        Ok((name, split(&mut self.rest, len)?))
    }
}

impl Iterator for Head {
    type Item = Result<(Name, Bytes), FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = Bytes::new();
        }
        Some(field)
    }
}

fn split(bytes: &mut Bytes, len: usize) -> Result<Bytes, FrameError> {
    if bytes.len() < len { Err(FrameError::MalformedHead) } else { Ok(bytes.split_to(len)) }
}

#[cfg(test)]
#[path = "frame/tests.rs"]
mod tests;
