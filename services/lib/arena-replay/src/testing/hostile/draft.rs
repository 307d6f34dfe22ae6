//! A replay in parts that can be changed one by one and put together again with checksums that fit.
use std::io::Cursor;
use std::sync::OnceLock;

use arena_sim::{Rules, SeatInputs};
use prost::Message as _;
use zstd::bulk::{Compressor, Decompressor};

use super::Choices;
use crate::footer::{Footer, KeyframePlace, SeekTable};
use crate::frame::{ChunkHead, ChunkKind, HEAD_BYTES, header_frame};
use crate::reader::{Reader, Walked};
use crate::testing::{Sums, by_bots, header, record_game, sums_header};
use crate::{Header, arena::ArenaMatch};

/// Chunks of a draft at most, so that a run stays short.
const CHUNKS_MAX: usize = 64;
/// Bytes of a chunk's content at most.
const RAW_BYTES_MAX: usize = 64 << 10;

/// The game of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Sums,
    Arena,
}

/// Returns a short replay with something of everything.
pub(super) fn file(base: Base) -> Vec<u8> {
    let turn = |_: &Sums, tick: u32, inputs: &mut SeatInputs| {
        inputs[(tick / 7) as usize % 16].aim = tick as u8;
    };
    match base {
        Base::Sums => record_game(Sums::default(), &sums_header(4), 130, turn),
        Base::Arena => {
            let document = r#"{"version": 1, "projectiles": 256, "map": "open",
                "match": {"mode": "capture", "time_limit_ticks": 600},
                "pickups": {"count": 4}, "drones": {"count": 8}}"#;
            let header = header(&Rules::parse(document).unwrap(), 9);
            let header = Header { hash_ticks: 10, keyframe_ticks: 50, ..header };
            record_game(ArenaMatch::on_cpu(), &header, 130, by_bots)
        }
    }
}

#[derive(Clone)]
struct DraftChunk {
    head: ChunkHead,
    raw: Vec<u8>,
    /// Heads may lie about lengths.
    is_honest: bool,
}

/// A replay in parts.
#[derive(Clone)]
pub(super) struct Draft {
    header: Vec<u8>,
    chunks: Vec<DraftChunk>,
    footer: Footer,
    /// Changes of the finished file that no checksum goes along with.
    flips: Vec<(u32, u8)>,
    length: Option<u32>,
}

impl Draft {
    pub(super) fn of(base: Base) -> Self {
        static DRAFTS: [OnceLock<Draft>; 2] = [OnceLock::new(), OnceLock::new()];
        DRAFTS[base as usize].get_or_init(|| Self::read(&file(base))).clone()
    }

    fn read(bytes: &[u8]) -> Self {
        let mut reader = Reader::open(Cursor::new(bytes)).unwrap();
        let mut zstd = Decompressor::new().unwrap();
        let (mut chunks, (mut offset, end)) = (Vec::new(), reader.range());
        while offset < end {
            let Walked::Chunk(head) = reader.walk(offset).unwrap() else { panic!("a chunk") };
            let data = &bytes[offset as usize + HEAD_BYTES..head.end() as usize];
            let raw = zstd.decompress(data, head.raw_len as usize).unwrap();
            chunks.push(DraftChunk { head, raw, is_honest: true });
            offset = head.end();
        }
        let (header, footer) = (reader.header().encode_to_vec(), reader.footer().unwrap().clone());
        Self { header, chunks, footer, flips: Vec::new(), length: None }
    }

    /// Changes one thing; `None` once there are no more choices.
    pub(super) fn change(&mut self, choices: &mut Choices<'_>) -> Option<()> {
        let (kind, at) = (choices.byte()? % 16, usize::from(choices.byte()?));
        let count = self.chunks.len().max(1);
        match kind {
            0 => xor(&mut self.header, choices)?,
            1 => self.footer.last_tick = choices.number()?,
            2 => self.footer.last_hash ^= 1 << (choices.byte()? % 64),
            3 => {
                let place = self.footer.outcome.standings.get_mut(at)?;
                place.kills = choices.number()?;
            }
            4 => self.flips.push((choices.number()?, choices.byte()?)),
            5 => self.length = Some(choices.number()?),
            6 if !self.chunks.is_empty() => drop(self.chunks.remove(at % count)),
            7 if self.chunks.len() < CHUNKS_MAX => {
                let copy = self.chunks.get(at % count)?.clone();
                let to = usize::from(choices.byte()?) % count;
                self.chunks.insert(to, copy);
            }
            8 => self.footer.outcome.reason.push('x'),
            _ => self.chunks.get_mut(at % count)?.change(kind, choices)?,
        }
        Some(())
    }

    /// Returns the bytes of the file.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut zstd = Compressor::new(1).unwrap();
        let mut bytes = header_frame(&self.header);
        let mut table = SeekTable::default();
        table.skipped(bytes.len());
        let mut keyframes: Vec<KeyframePlace> = Vec::new();
        for chunk in &self.chunks {
            let data = zstd.compress(&chunk.raw).unwrap();
            let mut head = chunk.head;
            head.data_crc = crc32c::crc32c(&data);
            if chunk.is_honest {
                (head.raw_len, head.data_len) = (chunk.raw.len() as u32, data.len() as u32);
            }
            let (tick, offset) = (head.from, bytes.len() as u64);
            let is_later = keyframes.last().is_none_or(|it| it.tick < tick);
            if head.kind == ChunkKind::Keyframe && is_later {
                keyframes.push(KeyframePlace { tick, offset });
            }
            bytes.extend(head.to_bytes());
            bytes.extend(&data);
            table.skipped(HEAD_BYTES);
            table.data(head.data_len, head.raw_len);
        }
        let last = (self.footer.last_tick, self.footer.last_hash);
        let footer = Footer::new(last, self.footer.outcome, &keyframes);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&bytes);
        let frame = footer.frame(bytes.len() as u64, &mut hasher);
        table.skipped(frame.len());
        bytes.extend(frame);
        bytes.extend(table.frame());
        for (at, byte) in self.flips {
            let at = at as usize % bytes.len();
            bytes[at] ^= byte;
        }
        if let Some(length) = self.length {
            bytes.truncate(length as usize);
        }
        bytes
    }
}

impl DraftChunk {
    fn change(&mut self, kind: u8, choices: &mut Choices<'_>) -> Option<()> {
        match kind {
            9 => self.head.from = choices.number()?,
            10 => self.head.to = choices.number()?,
            11 => self.head.flags ^= 1 << (choices.byte()? % 3),
            12 => self.head.kind = ChunkKind::of(choices.byte()? % 7),
            13 => {
                self.is_honest = false;
                self.head.raw_len = choices.number()?;
            }
            14 => {
                let length = choices.number()? as usize % RAW_BYTES_MAX;
                self.raw.resize(length, choices.byte()?);
            }
            _ => xor(&mut self.raw, choices)?,
        }
        Some(())
    }
}

fn xor(bytes: &mut [u8], choices: &mut Choices<'_>) -> Option<()> {
    let (at, change) = (choices.number()? as usize, choices.byte()?);
    if !bytes.is_empty() {
        let at = at % bytes.len();
        bytes[at] ^= change;
    }
    Some(())
}
