//! Bytes of the file, frame by frame. docs/replays.md has the layout.
//!
//! A file is a sequence of zstd frames: ours are skippable ones, so that `zstd -d` passes over them and
//! prints the data of the chunks.
use std::fmt;

use crate::error::Fault;
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_TICKS_MAX, HEADER_BYTES_MAX};

/// The version of the file format, the last letter of its magic.
pub const VERSION: char = '1';
/// What a replay starts and ends with, inside its first and last own frame.
pub(crate) const MAGIC: [u8; 4] = *b"RPL1";

/// Skippable frames: 0x184D2A50 to 0x184D2A5F are free for any use (RFC 8878, 3.1.2).
pub(crate) const HEADER_FRAME: u32 = 0x184d_2a50;
pub(crate) const CHUNK_FRAME: u32 = 0x184d_2a51;
pub(crate) const FOOTER_FRAME: u32 = 0x184d_2a52;
/// The seek table's number is given by the zstd seekable format.
pub(crate) const SEEK_TABLE_FRAME: u32 = 0x184d_2a5e;
/// Data frames start so.
pub(crate) const ZSTD_FRAME: u32 = 0xfd2f_b528;

/// Bytes in front of a skippable frame's content: its magic number and length.
pub(crate) const PREFIX_BYTES: usize = 8;
/// Bytes of a chunk's head with its prefix.
pub(crate) const HEAD_BYTES: usize = 36;
/// Bytes of a chunk's data at most: what zstd may make of the longest chunk.
pub(crate) const DATA_BYTES_MAX: usize = CHUNK_BYTES_MAX + (CHUNK_BYTES_MAX >> 7) + 512;

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChunkKind {
    /// A state, as the game writes it.
    Keyframe,
    /// Inputs of all seats, tick by tick.
    Inputs,
    /// What happened beside the game: [`Event`](crate::Event).
    Events,
    /// State hashes.
    Hashes,
    /// What is to be known of the match: [`Note`](crate::Note).
    Meta,
    /// Of a later version of this format; readers pass over it.
    Other(u8),
}

impl ChunkKind {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Keyframe => 1,
            Self::Inputs => 2,
            Self::Events => 3,
            Self::Hashes => 4,
            Self::Meta => 5,
            Self::Other(number) => number,
        }
    }

    pub(crate) const fn of(number: u8) -> Self {
        match number {
            1 => Self::Keyframe,
            2 => Self::Inputs,
            3 => Self::Events,
            4 => Self::Hashes,
            5 => Self::Meta,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ChunkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyframe => f.write_str("keyframe"),
            Self::Inputs => f.write_str("inputs"),
            Self::Events => f.write_str("events"),
            Self::Hashes => f.write_str("hashes"),
            Self::Meta => f.write_str("meta"),
            Self::Other(number) => write!(f, "type {number}"),
        }
    }
}

/// Inputs: differences are against no input at all, not against the chunk before.
pub(crate) const FLAG_FRESH: u8 = 1;
/// Keyframes: first all bytes 0 of every word, then all bytes 1, 2, 3; it compresses better.
pub(crate) const FLAG_PLANES: u8 = 2;

/// What a chunk says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHead {
    /// What it holds.
    pub kind: ChunkKind,
    pub(crate) flags: u8,
    /// The first tick. A state of tick T is the one after T steps, inputs of tick T make the next.
    pub from: u32,
    /// The tick reached; for a keyframe the same as `from`.
    pub to: u32,
    /// Bytes before compression.
    pub raw_len: u32,
    /// Bytes of the zstd frame.
    pub data_len: u32,
    /// CRC-32C of the zstd frame.
    pub(crate) data_crc: u32,
    /// The byte of the file at which the head starts.
    pub offset: u64,
}

impl ChunkHead {
    /// Returns the byte after the chunk.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + HEAD_BYTES as u64 + u64::from(self.data_len)
    }

    pub(crate) fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        let content = (HEAD_BYTES - PREFIX_BYTES) as u32;
        let kind = u32::from_le_bytes([self.kind.number(), self.flags, 0, 0]);
        let words = [CHUNK_FRAME, content, kind, self.from, self.to, self.raw_len, self.data_len];
        for (at, word) in words.into_iter().chain([self.data_crc]).enumerate() {
            bytes[4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[..HEAD_BYTES - 4]);
        bytes[HEAD_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a head; `bytes` are those at `offset`, and enough if there are [`HEAD_BYTES`].
    pub(crate) fn read(bytes: &[u8], offset: u64) -> Result<Self, Fault> {
        let content = (HEAD_BYTES - PREFIX_BYTES) as u32;
        let found = word(bytes, 0)?;
        if found != CHUNK_FRAME {
            return Err(Fault::Frame { found });
        }
        if word(bytes, 4)? != content {
            return Err(Fault::Value { what: "length of its head", value: word(bytes, 4)?.into() });
        }
        let expected = word(bytes, HEAD_BYTES - 4)?;
        let found = crc32c::crc32c(&bytes[..HEAD_BYTES - 4]);
        if found != expected {
            return Err(Fault::HeadChecksum { found, expected });
        }
        let [kind, flags, ..] = word(bytes, 8)?.to_le_bytes();
        let head = Self {
            kind: ChunkKind::of(kind),
            flags,
            from: word(bytes, 12)?,
            to: word(bytes, 16)?,
            raw_len: word(bytes, 20)?,
            data_len: word(bytes, 24)?,
            data_crc: word(bytes, 28)?,
            offset,
        };
        head.check()?;
        Ok(head)
    }

    fn check(&self) -> Result<(), Fault> {
        limit("bytes", u64::from(self.raw_len), CHUNK_BYTES_MAX as u64)?;
        limit("compressed bytes", u64::from(self.data_len), DATA_BYTES_MAX as u64)?;
        let (flags, is_ordered) = match self.kind {
            ChunkKind::Keyframe => (FLAG_PLANES, self.from == self.to),
            ChunkKind::Inputs => (FLAG_FRESH, self.from < self.to),
            ChunkKind::Events | ChunkKind::Hashes | ChunkKind::Meta => (0, self.from <= self.to),
            ChunkKind::Other(_) => (u8::MAX, true),
        };
        if self.flags & !flags != 0 {
            return Err(Fault::Value { what: "flag", value: self.flags.into() });
        }
        if !is_ordered {
            return Err(Fault::Value { what: "last tick", value: self.to.into() });
        }
        if self.kind == ChunkKind::Inputs {
            limit("ticks", u64::from(self.to - self.from), u64::from(CHUNK_TICKS_MAX))?;
        }
        Ok(())
    }
}

/// What lies at a place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Chunk(ChunkHead),
    /// The footer's whole length, prefix included.
    Footer(usize),
}

/// Reads what starts at `bytes`; [`Fault::Incomplete`] says how many are needed at least.
pub(crate) fn frame(bytes: &[u8], offset: u64) -> Result<Frame, Fault> {
    if word(bytes, 0)? == FOOTER_FRAME {
        let content = u64::from(word(bytes, 4)?);
        limit("bytes in its footer", content, crate::footer::FRAME_BYTES_MAX as u64)?;
        return Ok(Frame::Footer(PREFIX_BYTES + content as usize));
    }
    ChunkHead::read(bytes, offset).map(Frame::Chunk)
}

/// Returns the header's whole frame.
pub(crate) fn header_frame(message: &[u8]) -> Vec<u8> {
    let content = MAGIC.len() + message.len() + 4;
    let mut bytes = Vec::with_capacity(PREFIX_BYTES + content);
    bytes.extend(HEADER_FRAME.to_le_bytes());
    bytes.extend((content as u32).to_le_bytes());
    bytes.extend(MAGIC);
    bytes.extend(message);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

/// Returns the message of the header whose frame `bytes` starts with, and the frame's length.
pub(crate) fn read_header(bytes: &[u8]) -> Result<(&[u8], usize), Fault> {
    let known = bytes.len().min(4);
    if bytes[..known] != HEADER_FRAME.to_le_bytes()[..known] {
        return Err(Fault::NotReplay);
    }
    let content = u64::from(word(bytes, 4)?);
    match bytes.get(8..12) {
        Some([b'R', b'P', b'L', version]) if *version != MAGIC[3] => {
            return Err(Fault::Version { found: char::from(*version) });
        }
        Some(magic) if magic != MAGIC => return Err(Fault::NotReplay),
        _ => {}
    }
    limit("bytes in its header", content, (HEADER_BYTES_MAX + MAGIC.len() + 4) as u64)?;
    let end = PREFIX_BYTES + content as usize;
    if end < PREFIX_BYTES + MAGIC.len() + 4 {
        return Err(Fault::Value { what: "length of its header", value: content });
    }
    let expected = word(bytes, end - 4)?;
    let found = crc32c::crc32c(&bytes[..end - 4]);
    if found != expected {
        return Err(Fault::HeadChecksum { found, expected });
    }
    Ok((&bytes[PREFIX_BYTES + MAGIC.len()..end - 4], end))
}

pub(crate) fn word(bytes: &[u8], at: usize) -> Result<u32, Fault> {
    let incomplete = || Fault::Incomplete { found: bytes.len() as u64, needed: (at + 4) as u64 };
    let word = bytes.get(at..).and_then(|it| it.first_chunk()).ok_or_else(incomplete)?;
    Ok(u32::from_le_bytes(*word))
}

pub(crate) fn limit(what: &'static str, found: u64, max: u64) -> Result<(), Fault> {
    if found <= max { Ok(()) } else { Err(Fault::Limit { what, found, max }) }
}
