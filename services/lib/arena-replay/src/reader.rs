//! Reading a replay from a file.
use std::io::{Read, Seek};

use prost::Message as _;

use crate::codec::{Chunk, Decoder, check_data};
use crate::error::{Damage, Fault, ReadError};
use crate::footer::{self, Ending, Footer, KeyframePlace, SeekTable};
use crate::frame::{self, ChunkHead, ChunkKind, Frame, HEAD_BYTES, PREFIX_BYTES};
use crate::header::Header;
use crate::limits::{CHUNKS_MAX, HEADER_BYTES_MAX, KEYFRAMES_MAX};
use crate::records::undecodable;
use crate::window::Window;

/// A replay that is read chunk by chunk, from any keyframe on.
pub struct Reader<R> {
    source: Window<R>,
    header: Header,
    keyframes: Vec<KeyframePlace>,
    ending: Option<Ending>,
    recovery: Option<Recovery>,
    /// Where chunks start and end.
    range: (u64, u64),
    decoder: Decoder,
    offset: u64,
    /// The keyframe that has to be at `offset`, as the footer says.
    sought: Option<u32>,
}

/// What was done to read a file without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Why the end could not be used.
    pub cause: Fault,
    /// What ended the search for chunks; `None` at the end of the file or at a footer.
    pub stop: Option<Damage>,
    /// The byte after the last good chunk.
    pub end: u64,
    /// Bytes after it that are left out, a footer that was found not counted.
    pub lost_bytes: u64,
    /// The tick up to which inputs are there.
    pub last_tick: u32,
}

/// What a frame at a place is, with its data checked.
pub(crate) enum Walked {
    Chunk(ChunkHead),
    Footer(Box<Ending>),
    End,
}

impl<R: Read + Seek> Reader<R> {
    /// Opens a replay by its end; without a usable end all chunks are looked at once.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] without a usable header; everything else is recovered from.
    pub fn open(source: R) -> Result<Self, ReadError> {
        let mut source = Window::new(source);
        let (header, start) = read_header(&mut source)?;
        let decoder = Decoder::new(header.hash_ticks).map_err(|it| ReadError::at(0, it))?;
        let mut reader = Self {
            source,
            header,
            keyframes: Vec::new(),
            ending: None,
            recovery: None,
            range: (start, start),
            decoder,
            offset: start,
            sought: None,
        };
        match reader.read_ending() {
            Ok(ending) => reader.end_with(ending),
            Err(ReadError::Damaged(damage)) => reader.recover(damage.fault)?,
            Err(error) => return Err(error),
        }
        reader.rewind();
        Ok(reader)
    }

    /// Returns what the file says of its match.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns how the match ended; `None` if the file has no end.
    #[must_use]
    pub fn footer(&self) -> Option<&Footer> {
        self.ending.as_ref().map(|it| &it.footer)
    }

    /// Returns what was done to read a file without its end.
    #[must_use]
    pub fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// Returns where states can be restored, in order.
    #[must_use]
    pub fn keyframes(&self) -> &[KeyframePlace] {
        &self.keyframes
    }

    /// Returns the last tick there are inputs for.
    #[must_use]
    pub fn last_tick(&self) -> u32 {
        match (&self.ending, &self.recovery) {
            (Some(ending), _) => ending.footer.last_tick,
            (None, Some(recovery)) => recovery.last_tick,
            (None, None) => self.header.first_tick,
        }
    }

    /// Goes to the first chunk.
    pub fn rewind(&mut self) {
        (self.offset, self.sought) = (self.range.0, None);
        self.decoder.expect(self.header.first_tick);
    }

    /// Goes to the last keyframe that is not after `tick`, or to the first chunk if there is none.
    pub fn seek(&mut self, tick: u32) -> Option<KeyframePlace> {
        let place = self.keyframes.iter().rev().find(|it| it.tick <= tick).copied();
        match place {
            Some(place) => self.go(place),
            None => self.rewind(),
        }
        place
    }

    /// Goes to the first keyframe after a damaged chunk at `offset`.
    pub fn skip(&mut self, offset: u64) -> Option<KeyframePlace> {
        let place = self.keyframe_after(offset);
        if let Some(place) = place {
            self.go(place);
        }
        place
    }

    /// Goes to the chunk behind one that is damaged but for its head.
    pub fn pass(&mut self, head: ChunkHead) {
        (self.offset, self.sought) = (head.end(), None);
        if head.kind == ChunkKind::Keyframe {
            self.decoder.expect(head.to);
        }
    }

    /// Adds the ticks that a damaged chunk without a head may have had; `reached` is the last one before it.
    pub(crate) fn with_ticks(&self, damage: Damage, reached: u32) -> Damage {
        let next = self.keyframe_after(damage.offset).map_or(self.last_tick(), |it| it.tick);
        let ticks = damage.ticks.or(Some((reached, next.max(reached))));
        Damage { ticks, ..damage }
    }

    pub(crate) fn keyframe_after(&self, offset: u64) -> Option<KeyframePlace> {
        self.keyframes.iter().find(|it| it.offset > offset).copied()
    }

    /// Reads the next chunk; `None` after the last.
    ///
    /// # Errors
    /// [`ReadError`]; the reader then stays in front of that chunk.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, ReadError> {
        if self.offset >= self.range.1 {
            return Ok(None);
        }
        let head = self.head(self.offset)?;
        let sought = self.sought;
        if sought.is_some_and(|tick| head.kind != ChunkKind::Keyframe || head.from != tick) {
            let tick = sought.unwrap_or(0);
            return Err(ReadError::at(self.offset, Fault::Index { tick }));
        }
        let needed = HEAD_BYTES + head.data_len as usize;
        let bytes = self.source.at(self.offset, needed)?;
        check_length(bytes, needed).map_err(|it| ReadError::in_chunk(head, it))?;
        let chunk = self.decoder.chunk(head, bytes).map_err(|it| ReadError::in_chunk(head, it))?;
        (self.offset, self.sought) = (head.end(), None);
        Ok(Some(chunk))
    }

    fn go(&mut self, place: KeyframePlace) {
        (self.offset, self.sought) = (place.offset, Some(place.tick));
        self.decoder.expect(place.tick);
    }

    fn head(&mut self, offset: u64) -> Result<ChunkHead, ReadError> {
        let bytes = self.source.at(offset, HEAD_BYTES)?;
        let head = ChunkHead::read(bytes, offset).map_err(|it| ReadError::at(offset, it))?;
        if head.end() > self.range.1 {
            let (found, needed) = (self.range.1 - offset, head.end() - offset);
            return Err(ReadError::in_chunk(head, Fault::Incomplete { found, needed }));
        }
        Ok(head)
    }

    fn end_with(&mut self, ending: Ending) {
        self.keyframes.clone_from(&ending.keyframes);
        self.range.1 = ending.offset;
        self.ending = Some(ending);
    }

    /// Finds the footer by way of the zstd seek table and the tail before it.
    fn read_ending(&mut self) -> Result<Ending, ReadError> {
        let size = self.source.size()?;
        let tail = |reason| ReadError::at(size, Fault::Tail { reason });
        let Some(last) = size.checked_sub(footer::ENDING_BYTES as u64) else {
            return Err(tail("the file is too short"));
        };
        let bytes = self.source.at(last, footer::ENDING_BYTES)?;
        let bytes = bytes.first_chunk().ok_or_else(|| tail("the file became shorter"))?;
        let table = footer::seek_table_len(bytes).map_err(|it| ReadError::at(last, it))?;
        let at = size.checked_sub(table + footer::tail_bytes() as u64);
        let at = at.filter(|it| *it > self.range.0).ok_or_else(|| tail("it is too short"))?;
        let bytes = self.source.at(at, footer::tail_bytes())?;
        let offset = footer::read_tail(bytes).map_err(|it| ReadError::at(at, it))?;
        if offset < self.range.0 || offset >= at {
            return Err(tail("it points elsewhere"));
        }
        match self.walk(offset)? {
            Walked::Footer(ending) if ending.end == size - table => Ok(*ending),
            _ => Err(tail("it points elsewhere")),
        }
    }

    /// Looks at every chunk until one is damaged or there are no more.
    fn recover(&mut self, cause: Fault) -> Result<(), ReadError> {
        let size = self.source.size()?;
        let mut offset = self.range.0;
        let mut last_tick = self.header.first_tick;
        let mut stop = None;
        for _ in 0..CHUNKS_MAX {
            match self.walk(offset) {
                Ok(Walked::Chunk(head)) => {
                    offset = head.end();
                    if head.kind == ChunkKind::Inputs {
                        last_tick = head.to;
                    }
                    if head.kind == ChunkKind::Keyframe && self.keyframes.len() < KEYFRAMES_MAX {
                        self.keyframes.push(KeyframePlace { tick: head.from, offset: head.offset });
                    }
                }
                Ok(Walked::Footer(ending)) => {
                    let lost_bytes = size.saturating_sub(ending.end);
                    let end = ending.offset;
                    self.recovery = Some(Recovery { cause, stop, end, lost_bytes, last_tick });
                    self.end_with(*ending);
                    return Ok(());
                }
                Ok(Walked::End) => break,
                Err(ReadError::Damaged(damage)) => {
                    stop = Some(damage);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.range.1 = offset;
        let lost_bytes = size.saturating_sub(offset);
        self.recovery = Some(Recovery { cause, stop, end: offset, lost_bytes, last_tick });
        Ok(())
    }

    /// Says what lies at `offset`; data of a chunk are what their checksum says.
    pub(crate) fn walk(&mut self, offset: u64) -> Result<Walked, ReadError> {
        let bytes = self.source.at(offset, HEAD_BYTES)?;
        if bytes.is_empty() {
            return Ok(Walked::End);
        }
        match frame::frame(bytes, offset).map_err(|it| ReadError::at(offset, it))? {
            Frame::Chunk(head) => {
                let needed = HEAD_BYTES + head.data_len as usize;
                let bytes = self.source.at(offset, needed)?;
                let checked = check_length(bytes, needed)
                    .and_then(|()| check_data(&head, &bytes[HEAD_BYTES..]));
                checked.map_err(|it| ReadError::in_chunk(head, it))?;
                Ok(Walked::Chunk(head))
            }
            Frame::Footer(needed) => {
                let bytes = self.source.at(offset, needed)?;
                let ending = check_length(bytes, needed).and_then(|()| Ending::read(bytes, offset));
                Ok(Walked::Footer(Box::new(ending.map_err(|it| ReadError::at(offset, it))?)))
            }
        }
    }

    /// Returns where the first chunk starts, and where the last ends.
    pub(crate) fn range(&self) -> (u64, u64) {
        self.range
    }

    /// Compares the BLAKE3 of the file with the one in its footer.
    pub(crate) fn check_digest(&mut self) -> Result<Option<Damage>, ReadError> {
        let Some(ending) = &self.ending else { return Ok(None) };
        let (end, at, expected) = (ending.digest_offset, ending.offset, ending.digest);
        let mut hasher = blake3::Hasher::new();
        let mut offset = 0;
        while offset < end {
            let bytes = self.source.at(offset, (end - offset).min(1 << 16) as usize)?;
            if bytes.is_empty() {
                break;
            }
            hasher.update(bytes);
            offset += bytes.len() as u64;
        }
        let found = hasher.finalize();
        if found == expected {
            return Ok(None);
        }
        let [found, expected] = [found, expected].map(|it| it.to_hex().to_string());
        Ok(Some(Damage::at(at, Fault::Digest { found, expected })))
    }

    /// Compares the seek table with the one that belongs to the frames of the file.
    pub(crate) fn check_seek_table(
        &mut self,
        mut table: SeekTable,
    ) -> Result<Option<Damage>, ReadError> {
        let Some(ending) = &self.ending else { return Ok(None) };
        let offset = ending.end;
        table.skipped((ending.end - ending.offset) as usize);
        let expected = table.frame();
        let found = self.source.at(offset, expected.len() + 1)?;
        let is_equal = found == expected;
        Ok((!is_equal).then_some(Damage::at(offset, Fault::SeekTable)))
    }
}

impl<R> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Reader");
        debug.field("header", &self.header).field("offset", &self.offset).finish_non_exhaustive()
    }
}

fn check_length(bytes: &[u8], needed: usize) -> Result<(), Fault> {
    let (found, needed) = (bytes.len() as u64, needed as u64);
    if found < needed { Err(Fault::Incomplete { found, needed }) } else { Ok(()) }
}

fn read_header<R: Read + Seek>(source: &mut Window<R>) -> Result<(Header, u64), ReadError> {
    let bytes = source.at(0, HEADER_BYTES_MAX + 2 * PREFIX_BYTES)?;
    let damaged = |fault| ReadError::at(0, fault);
    let (message, length) = frame::read_header(bytes).map_err(damaged)?;
    let header = decode_header(message).map_err(damaged)?;
    Ok((header, length as u64))
}

/// Decodes the header's message and checks it.
pub(crate) fn decode_header(message: &[u8]) -> Result<Header, Fault> {
    let header = Header::decode(message).map_err(|it| undecodable("header", &it))?;
    header.check()?;
    Ok(header)
}
