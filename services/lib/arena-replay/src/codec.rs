//! Chunks: content to bytes and back.
use arena_sim::{PLAYERS, SeatInputs};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use crate::error::{Fault, WriteError};
use crate::frame::{ChunkHead, ChunkKind, FLAG_FRESH, FLAG_PLANES, HEAD_BYTES, ZSTD_FRAME, word};
use crate::inputs;
use crate::records::{self, Event, Note, TickHash};

/// Higher levels take longer and save next to nothing: docs/replays.md has the figures.
const LEVEL: i32 = 1;

/// Compresses for all writers of a thread; it takes more memory than a writer.
pub struct Encoder {
    zstd: Compressor<'static>,
    plain: Vec<u8>,
    data: Vec<u8>,
}

impl Encoder {
    /// Allocates the compressor.
    ///
    /// # Errors
    /// [`WriteError::Compression`] without memory.
    pub fn new() -> Result<Self, WriteError> {
        let zstd = Compressor::new(LEVEL).map_err(|it| compression(&it))?;
        Ok(Self { zstd, plain: Vec::new(), data: Vec::new() })
    }

    /// Compresses what `fill` appends; returns the chunk's head and data.
    pub(crate) fn chunk(
        &mut self,
        kind: ChunkKind,
        flags: u8,
        (from, to): (u32, u32),
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(ChunkHead, &[u8]), WriteError> {
        self.plain.clear();
        fill(&mut self.plain);
        self.data.clear();
        self.data.reserve(zstd_safe::compress_bound(self.plain.len()));
        self.zstd.compress_to_buffer(&self.plain, &mut self.data).map_err(|it| compression(&it))?;
        let head = ChunkHead {
            kind,
            flags,
            from,
            to,
            raw_len: self.plain.len() as u32,
            data_len: self.data.len() as u32,
            data_crc: crc32c::crc32c(&self.data),
            offset: 0,
        };
        Ok((head, &self.data))
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

fn compression(error: &std::io::Error) -> WriteError {
    WriteError::Compression { reason: error.to_string() }
}

/// Appends bytes 0 of all words, then bytes 1, 2 and 3.
pub(crate) fn split_planes(words: &[u8], out: &mut Vec<u8>) {
    for plane in 0..4 {
        out.extend(words.iter().skip(plane).step_by(4));
    }
}

fn join_planes(planes: &[u8]) -> Result<Vec<u8>, Fault> {
    if !planes.len().is_multiple_of(4) {
        return Err(Fault::Value { what: "number of bytes", value: planes.len() as u64 });
    }
    let count = planes.len() / 4;
    let mut words = vec![0; planes.len()];
    for (plane, bytes) in planes.chunks_exact(count.max(1)).enumerate() {
        for (at, byte) in bytes.iter().enumerate() {
            words[4 * at + plane] = *byte;
        }
    }
    Ok(words)
}

/// A chunk of a file, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// What it says of itself.
    pub head: ChunkHead,
    /// What it holds.
    pub content: Content,
}

/// What a chunk holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// The state at tick `head.from`, as the game wrote it.
    Keyframe(Vec<u8>),
    /// The inputs of ticks `head.from` to `head.to - 1`.
    Inputs(Vec<SeatInputs>),
    /// Events in the order of their ticks.
    Events(Vec<Event>),
    /// Hashes in the order of their ticks.
    Hashes(Vec<TickHash>),
    /// Notes in the order they were written.
    Meta(Vec<Note>),
    /// Something of a later version.
    Other,
}

/// Decodes the chunks of one file in their order.
pub(crate) struct Decoder {
    zstd: Decompressor<'static>,
    hash_ticks: u32,
    /// The tick after the inputs read last, and those inputs.
    last: Option<(u32, [u32; PLAYERS])>,
    /// The tick reached.
    tick: Option<u32>,
}

impl Decoder {
    pub(crate) fn new(hash_ticks: u32) -> Result<Self, Fault> {
        let zstd = Decompressor::new()
            .map_err(|error| Fault::Compression { reason: error.to_string() })?;
        Ok(Self { zstd, hash_ticks, last: None, tick: None })
    }

    /// Says which tick the inputs or the keyframe that come next have.
    pub(crate) fn expect(&mut self, tick: u32) {
        (self.last, self.tick) = (None, Some(tick));
    }

    /// Decodes a chunk; `bytes` are the whole of it.
    pub(crate) fn chunk(&mut self, head: ChunkHead, bytes: &[u8]) -> Result<Chunk, Fault> {
        let data = &bytes[HEAD_BYTES..];
        check_data(&head, data)?;
        if matches!(head.kind, ChunkKind::Other(_)) {
            return Ok(Chunk { head, content: Content::Other });
        }
        let raw = self.decompress(&head, data)?;
        let content = match head.kind {
            ChunkKind::Keyframe => Content::Keyframe(self.keyframe(&head, raw)?),
            ChunkKind::Inputs => Content::Inputs(self.inputs(&head, &raw)?),
            ChunkKind::Events => Content::Events(events(&head, &raw)?),
            ChunkKind::Hashes => {
                Content::Hashes(records::hashes(&raw, head.from, head.to, self.hash_ticks)?)
            }
            ChunkKind::Meta => Content::Meta(records::records("notes", &raw)?),
            ChunkKind::Other(_) => Content::Other,
        };
        Ok(Chunk { head, content })
    }

    fn keyframe(&mut self, head: &ChunkHead, raw: Vec<u8>) -> Result<Vec<u8>, Fault> {
        self.follow(head)?;
        self.tick = Some(head.to);
        if head.flags & FLAG_PLANES == 0 { Ok(raw) } else { join_planes(&raw) }
    }

    fn inputs(&mut self, head: &ChunkHead, raw: &[u8]) -> Result<Vec<SeatInputs>, Fault> {
        self.follow(head)?;
        let mut last = match self.last {
            _ if head.flags & FLAG_FRESH != 0 => [0; PLAYERS],
            Some((tick, last)) if tick == head.from => last,
            _ => return Err(Fault::Inputs { reason: "those before them are missing" }),
        };
        let inputs = inputs::decode(raw, head.to - head.from, &mut last)?;
        self.last = Some((head.to, last));
        self.tick = Some(head.to);
        Ok(inputs)
    }

    fn follow(&self, head: &ChunkHead) -> Result<(), Fault> {
        match self.tick {
            Some(expected) if expected != head.from => {
                Err(Fault::Order { found: head.from, expected })
            }
            _ => Ok(()),
        }
    }

    fn decompress(&mut self, head: &ChunkHead, data: &[u8]) -> Result<Vec<u8>, Fault> {
        let broken = |reason: &str| Fault::Compression { reason: reason.to_owned() };
        if word(data, 0).ok() != Some(ZSTD_FRAME) {
            return Err(broken("not a zstd frame"));
        }
        // One frame and nothing after it: the seek table lists it as one.
        if zstd_safe::find_frame_compressed_size(data) != Ok(data.len()) {
            return Err(broken("not one whole zstd frame"));
        }
        let expected = head.raw_len as usize;
        let mut raw = vec![0; expected];
        match self.zstd.decompress_to_buffer(data, raw.as_mut_slice()) {
            Ok(found) if found == expected => Ok(raw),
            Ok(_) => Err(broken("the length is another")),
            Err(error) => Err(broken(&error.to_string())),
        }
    }
}

/// Checks that data are what was written, without decoding them.
pub(crate) fn check_data(head: &ChunkHead, data: &[u8]) -> Result<(), Fault> {
    let (found, expected) = (crc32c::crc32c(data), head.data_crc);
    if found == expected { Ok(()) } else { Err(Fault::DataChecksum { found, expected }) }
}

fn events(head: &ChunkHead, raw: &[u8]) -> Result<Vec<Event>, Fault> {
    let events: Vec<Event> = records::records("events", raw)?;
    let mut least = head.from;
    for event in &events {
        if event.tick < least || event.tick > head.to {
            return Err(Fault::Value { what: "tick of an event", value: event.tick.into() });
        }
        least = event.tick;
    }
    Ok(events)
}
