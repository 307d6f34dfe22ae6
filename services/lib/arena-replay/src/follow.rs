//! Reading a replay that is still being written.
use std::io::Read;

use crate::codec::{Chunk, Decoder};
use crate::error::{Fault, ReadError};
use crate::footer::{Ending, Footer};
use crate::frame::{DATA_BYTES_MAX, Frame, HEAD_BYTES, frame, read_header};
use crate::header::Header;
use crate::reader::decode_header;

/// Bytes that wait to be read: the longest chunk, and as much again as a call reads.
const BUFFER_BYTES_MAX: usize = HEAD_BYTES + DATA_BYTES_MAX + READ_BYTES;
/// Bytes asked of a source at once.
const READ_BYTES: usize = 64 << 10;

/// Reads a replay as it grows, for spectators: what is complete, and later what has come since.
///
/// Bytes come from a file by [`Follower::fill`], or from wherever else by [`Follower::push`].
pub struct Follower {
    /// Bytes from `start` on are not read yet.
    buffer: Vec<u8>,
    start: usize,
    /// The byte of the file at `start`.
    offset: u64,
    decoder: Option<Decoder>,
    is_over: bool,
}

/// A part of a growing replay.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// What the file says of its match; comes first.
    Header(Header),
    /// A chunk.
    Chunk(Chunk),
    /// The match is over; nothing follows.
    End(Footer),
}

impl Follower {
    /// Starts at the beginning of a file.
    #[must_use]
    pub fn new() -> Self {
        Self { buffer: Vec::new(), start: 0, offset: 0, decoder: None, is_over: false }
    }

    /// Takes bytes that follow those before; returns how many, fewer if parts wait to be read.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        self.buffer.drain(..self.start);
        self.start = 0;
        let count = bytes.len().min(BUFFER_BYTES_MAX - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        count
    }

    /// Reads once from a source that goes on where it stopped; returns how many bytes came.
    ///
    /// # Errors
    /// Those of the source.
    pub fn fill(&mut self, source: &mut impl Read) -> std::io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let room = BUFFER_BYTES_MAX - self.buffer.len();
        let mut source = source.take(READ_BYTES.min(room) as u64);
        source.read_to_end(&mut self.buffer)
    }

    /// Returns the next part, or `None` until more bytes have come, and after the end.
    ///
    /// # Errors
    /// [`ReadError::Damaged`]; it stays in front of what is damaged.
    pub fn next_part(&mut self) -> Result<Option<Part>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        match self.read() {
            Err(ReadError::Damaged(damage)) if matches!(damage.fault, Fault::Incomplete { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error),
            Ok((part, length)) => {
                self.start += length;
                self.offset += length as u64;
                Ok(Some(part))
            }
        }
    }

    fn read(&mut self) -> Result<(Part, usize), ReadError> {
        let (bytes, offset) = (&self.buffer[self.start..], self.offset);
        let damaged = |fault| ReadError::at(offset, fault);
        let Some(decoder) = &mut self.decoder else {
            let (message, length) = read_header(bytes).map_err(damaged)?;
            let header = decode_header(message).map_err(damaged)?;
            let mut decoder = Decoder::new(header.hash_ticks).map_err(damaged)?;
            decoder.expect(header.first_tick);
            self.decoder = Some(decoder);
            return Ok((Part::Header(header), length));
        };
        let whole = |needed: usize| {
            let (found, expected) = (bytes.len() as u64, needed as u64);
            bytes.get(..needed).ok_or(Fault::Incomplete { found, needed: expected })
        };
        match frame(bytes, offset).map_err(damaged)? {
            Frame::Chunk(head) => {
                let in_chunk = |fault| ReadError::in_chunk(head, fault);
                let bytes = whole(HEAD_BYTES + head.data_len as usize).map_err(in_chunk)?;
                let chunk = decoder.chunk(head, bytes).map_err(in_chunk)?;
                Ok((Part::Chunk(chunk), bytes.len()))
            }
            Frame::Footer(length) => {
                let ending = whole(length).and_then(|it| Ending::read(it, offset));
                self.is_over = ending.is_ok();
                Ok((Part::End(ending.map_err(damaged)?.footer), length))
            }
        }
    }
}

impl Default for Follower {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("offset", &self.offset).finish_non_exhaustive()
    }
}
