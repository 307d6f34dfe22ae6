//! Writing a replay while its match runs.
use arena_sim::SeatInputs;
use prost::Message;

use crate::codec::{Encoder, split_planes};
use crate::error::WriteError;
use crate::footer::{Footer, KeyframePlace, Outcome, SeekTable};
use crate::frame::{ChunkKind, FLAG_FRESH, FLAG_PLANES, HEAD_BYTES, header_frame};
use crate::header::Header;
use crate::inputs::Columns;
use crate::limits::{
    BACKLOG_BYTES_MAX, CHUNK_BYTES_MAX, CHUNK_TICKS_MAX, CHUNKS_MAX, HEADER_BYTES_MAX,
    KEYFRAMES_MAX, RECORD_BYTES_MAX, RECORDS_MAX,
};
use crate::records::{Event, Note};

/// Hashes that wait for a chunk; ten come between two keyframes.
const HASHES_WAITING_MAX: usize = 64;

/// When the file is to be safe on its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Safety {
    /// At the start, at keyframes, and at the end. A machine that dies costs ten seconds of a replay.
    #[default]
    Keyframes,
    /// After every chunk. A machine that dies costs one second, and every second costs a write to disk.
    Chunks,
}

/// How a file is written; what is written is in the [`Header`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Ticks of a chunk of inputs, 1 to 3600: what is lost at most if the process dies.
    pub chunk_ticks: u32,
    /// When the file is to be safe.
    pub safety: Safety,
}

impl Default for Settings {
    fn default() -> Self {
        Self { chunk_ticks: 60, safety: Safety::default() }
    }
}

/// Bytes to be appended to the file, in order and as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the file is to be synced to disk before anyone is told that it holds them.
    pub is_sync: bool,
}

/// Writes one replay. After [`WriteError::Compression`] it takes nothing more; what it gave stays readable.
///
/// Call for each tick, in this order: [`Writer::inputs`]; then, once the match was
/// stepped, [`Writer::hash`] if [`Writer::is_hash_due`] and [`Writer::keyframe`] if
/// [`Writer::is_keyframe_due`]; then [`Writer::take`], and append what it returns.
///
/// It does no I/O and holds a few KB. One tick costs some tens of nanoseconds, a chunk some microseconds.
#[derive(Debug)]
pub struct Writer {
    first_tick: u32,
    hash_ticks: u32,
    keyframe_ticks: u32,
    settings: Settings,
    tick: u32,
    columns: Columns,
    is_fresh: bool,
    hashes: Vec<u64>,
    hashed_tick: u32,
    events: Records,
    notes: Records,
    out: Output,
}

/// Messages on their way into a chunk.
#[derive(Debug, Default)]
struct Records {
    bytes: Vec<u8>,
    count: usize,
    from: u32,
    to: u32,
}

/// The file so far.
#[derive(Debug)]
struct Output {
    pending: Vec<u8>,
    is_sync: bool,
    offset: u64,
    hasher: blake3::Hasher,
    table: SeekTable,
    chunks: usize,
    keyframes: Vec<KeyframePlace>,
    /// Why chunks are missing, and no others may follow.
    failure: Option<WriteError>,
}

impl Writer {
    /// Starts a file.
    ///
    /// # Errors
    /// [`WriteError::Header`] and [`WriteError::Limit`].
    pub fn new(header: &Header, settings: Settings) -> Result<Self, WriteError> {
        header.check().map_err(WriteError::Header)?;
        let message = header.encode_to_vec();
        limit("bytes of header", message.len(), HEADER_BYTES_MAX)?;
        limit("ticks a chunk", settings.chunk_ticks as usize, CHUNK_TICKS_MAX as usize)?;
        let mut out = Output::new();
        out.skipped(&header_frame(&message));
        out.is_sync = true;
        Ok(Self {
            first_tick: header.first_tick,
            hash_ticks: header.hash_ticks,
            keyframe_ticks: header.keyframe_ticks,
            settings,
            tick: header.first_tick,
            columns: Columns::new(),
            is_fresh: true,
            hashes: Vec::new(),
            hashed_tick: header.first_tick,
            events: Records::default(),
            notes: Records::default(),
            out,
        })
    }

    /// Returns the tick whose inputs come next: the ticks stepped so far.
    #[must_use]
    pub fn tick(&self) -> u32 {
        self.tick
    }

    /// Returns the length of the file so far, what was not taken yet included.
    #[must_use]
    pub fn byte_count(&self) -> u64 {
        self.out.offset
    }

    /// Takes the inputs of `tick`.
    ///
    /// # Errors
    /// [`WriteError::Order`] if another tick is next, [`WriteError::NoKeyframe`],
    /// [`WriteError::Limit`] if nobody takes the bytes or the file is full.
    pub fn inputs(
        &mut self,
        tick: u32,
        inputs: &SeatInputs,
        encoder: &mut Encoder,
    ) -> Result<(), WriteError> {
        if tick != self.tick || tick == u32::MAX {
            return Err(WriteError::Order { found: tick, expected: self.tick });
        }
        if self.first_tick != 0 && self.out.keyframes.is_empty() {
            return Err(WriteError::NoKeyframe { tick: self.first_tick });
        }
        let is_full = self.columns.ticks() + 1 >= self.settings.chunk_ticks;
        if is_full {
            self.out.check_room()?;
        }
        self.columns.push(inputs);
        self.tick += 1;
        if is_full { self.seal(encoder) } else { Ok(()) }
    }

    /// Says whether the hash of the state at this tick belongs into the file and is not there yet.
    #[must_use]
    pub fn is_hash_due(&self) -> bool {
        self.tick.is_multiple_of(self.hash_ticks) && self.tick > self.hashed_tick
    }

    /// Takes the hash of the state at this tick; does nothing unless [`Writer::is_hash_due`].
    ///
    /// # Errors
    /// As [`Writer::inputs`].
    pub fn hash(&mut self, hash: u64, encoder: &mut Encoder) -> Result<(), WriteError> {
        if !self.is_hash_due() {
            return Ok(());
        }
        let is_gap = !self.hashes.is_empty() && self.tick - self.hashed_tick != self.hash_ticks;
        if is_gap || self.hashes.len() >= HASHES_WAITING_MAX {
            self.seal(encoder)?;
            self.seal_hashes(encoder)?;
        }
        self.hashes.push(hash);
        self.hashed_tick = self.tick;
        Ok(())
    }

    /// Says whether a keyframe of the state at this tick belongs into the file.
    #[must_use]
    pub fn is_keyframe_due(&self) -> bool {
        let last = self.out.keyframes.last().map(|it| it.tick);
        let is_first = self.first_tick != 0 && last.is_none();
        let is_next = self.tick.is_multiple_of(self.keyframe_ticks) && self.tick > self.first_tick;
        is_first || is_next && last != Some(self.tick)
    }

    /// Takes the state at this tick, as the game writes it; all before is brought into chunks.
    ///
    /// # Errors
    /// [`WriteError::Order`] if there is a keyframe of this tick, [`WriteError::Limit`] if it is too long;
    /// as [`Writer::inputs`].
    pub fn keyframe(&mut self, state: &[u8], encoder: &mut Encoder) -> Result<(), WriteError> {
        limit("bytes of keyframe", state.len(), CHUNK_BYTES_MAX)?;
        limit("keyframes", self.out.keyframes.len() + 1, KEYFRAMES_MAX)?;
        if self.out.keyframes.last().is_some_and(|it| it.tick >= self.tick) {
            return Err(WriteError::Order { found: self.tick, expected: self.tick + 1 });
        }
        self.seal(encoder)?;
        self.seal_hashes(encoder)?;
        let offset = self.out.offset;
        let is_words = state.len().is_multiple_of(4);
        let flags = if is_words { FLAG_PLANES } else { 0 };
        let ticks = (self.tick, self.tick);
        self.out.chunk(encoder, ChunkKind::Keyframe, flags, ticks, |out| {
            if is_words { split_planes(state, out) } else { out.extend_from_slice(state) }
        })?;
        self.out.keyframes.push(KeyframePlace { tick: self.tick, offset });
        self.out.is_sync = true;
        self.columns.refresh();
        self.is_fresh = true;
        Ok(())
    }

    /// Notes something that happens at this tick, before its inputs count.
    ///
    /// # Errors
    /// [`WriteError::Limit`] if it is too long.
    pub fn event(
        &mut self,
        kind: &str,
        seat: Option<u32>,
        text: &str,
        encoder: &mut Encoder,
    ) -> Result<(), WriteError> {
        let (kind, text) = (kind.to_owned(), text.to_owned());
        let event = Event { tick: self.tick, kind, seat, text };
        if self.events.count >= RECORDS_MAX {
            self.seal(encoder)?;
        }
        self.events.push("bytes of event", self.tick, &event)
    }

    /// Notes something about the match as a whole.
    ///
    /// # Errors
    /// [`WriteError::Limit`] if it is too long.
    pub fn note(
        &mut self,
        name: &str,
        value: &str,
        encoder: &mut Encoder,
    ) -> Result<(), WriteError> {
        let note = Note { name: name.to_owned(), value: value.to_owned() };
        if self.notes.count >= RECORDS_MAX {
            self.seal(encoder)?;
        }
        self.notes.push("bytes of note", self.tick, &note)
    }

    /// Returns what is to be appended to the file now, if there is anything.
    #[must_use]
    pub fn take(&mut self) -> Option<Block> {
        self.out.take()
    }

    /// Ends the file; `hash` is that of the last state. Returns the last bytes.
    ///
    /// # Errors
    /// As [`Writer::inputs`].
    pub fn finish(
        mut self,
        outcome: Outcome,
        hash: u64,
        encoder: &mut Encoder,
    ) -> Result<Block, WriteError> {
        self.seal(encoder)?;
        self.seal_hashes(encoder)?;
        let mut out = self.out;
        let footer = Footer::new((self.tick, hash), outcome, &out.keyframes);
        let frame = footer.frame(out.offset, &mut out.hasher);
        out.table.skipped(frame.len());
        out.pending.extend(frame);
        out.pending.extend(out.table.frame());
        Ok(Block { bytes: out.pending, is_sync: true })
    }

    /// Brings events, notes and inputs into chunks; who reads them knows what happens before it does.
    fn seal(&mut self, encoder: &mut Encoder) -> Result<(), WriteError> {
        let before = self.out.chunks;
        self.out.check_room()?;
        let records = [(ChunkKind::Events, &mut self.events), (ChunkKind::Meta, &mut self.notes)];
        for (kind, records) in records {
            if records.count > 0 {
                let range = (records.from, records.to);
                self.out.chunk(encoder, kind, 0, range, |out| out.append(&mut records.bytes))?;
                records.count = 0;
            }
        }
        let ticks = self.columns.ticks();
        if ticks > 0 {
            let flags = if self.is_fresh { FLAG_FRESH } else { 0 };
            let columns = &mut self.columns;
            let range = (self.tick - ticks, self.tick);
            self.out.chunk(encoder, ChunkKind::Inputs, flags, range, |out| columns.seal(out))?;
            self.is_fresh = false;
        }
        if self.settings.safety == Safety::Chunks && self.out.chunks > before {
            self.out.is_sync = true;
        }
        Ok(())
    }

    fn seal_hashes(&mut self, encoder: &mut Encoder) -> Result<(), WriteError> {
        let Some(others) = self.hashes.len().checked_sub(1) else { return Ok(()) };
        let range = (self.hashed_tick - others as u32 * self.hash_ticks, self.hashed_tick);
        let hashes = &mut self.hashes;
        self.out.chunk(encoder, ChunkKind::Hashes, 0, range, |out| {
            hashes.drain(..).for_each(|it| out.extend(it.to_le_bytes()));
        })
    }
}

impl Records {
    fn push(
        &mut self,
        what: &'static str,
        tick: u32,
        record: &impl Message,
    ) -> Result<(), WriteError> {
        limit(what, record.encoded_len(), RECORD_BYTES_MAX)?;
        record
            .encode_length_delimited(&mut self.bytes)
            .expect("a vector grows as far as it has to");
        if self.count == 0 {
            self.from = tick;
        }
        (self.count, self.to) = (self.count + 1, tick);
        Ok(())
    }
}

impl Output {
    fn new() -> Self {
        Self {
            pending: Vec::new(),
            is_sync: false,
            offset: 0,
            hasher: blake3::Hasher::new(),
            table: SeekTable::default(),
            chunks: 0,
            keyframes: Vec::new(),
            failure: None,
        }
    }

    fn check_room(&self) -> Result<(), WriteError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        // A seal makes at most three chunks, a keyframe one more, and one of hashes.
        limit("chunks", self.chunks + 5, CHUNKS_MAX)?;
        limit("bytes that nobody takes", self.pending.len(), BACKLOG_BYTES_MAX)
    }

    fn chunk(
        &mut self,
        encoder: &mut Encoder,
        kind: ChunkKind,
        flags: u8,
        ticks: (u32, u32),
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), WriteError> {
        let made = encoder.chunk(kind, flags, ticks, fill);
        let (head, data) = made.inspect_err(|it| self.failure = Some(it.clone()))?;
        self.skipped(&head.to_bytes());
        self.table.data(head.data_len, head.raw_len);
        self.append(data);
        self.chunks += 1;
        Ok(())
    }

    fn skipped(&mut self, frame: &[u8]) {
        self.table.skipped(frame.len());
        self.append(frame);
    }

    fn append(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.pending.extend_from_slice(bytes);
        self.offset += bytes.len() as u64;
    }

    fn take(&mut self) -> Option<Block> {
        if self.pending.is_empty() {
            return None;
        }
        let is_sync = std::mem::take(&mut self.is_sync);
        Some(Block { bytes: std::mem::take(&mut self.pending), is_sync })
    }
}

fn limit(what: &'static str, found: usize, max: usize) -> Result<(), WriteError> {
    if found <= max { Ok(()) } else { Err(WriteError::Limit { what, found, max }) }
}

const _: () = assert!(HEAD_BYTES == 36, "docs/replays.md says so");
