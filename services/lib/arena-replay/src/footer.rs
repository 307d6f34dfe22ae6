//! The end of a finished file: footer, tail and zstd seek table.
use blake3::Hash;
use prost::Message as _;

use crate::error::Fault;
use crate::frame::{FOOTER_FRAME, MAGIC, PREFIX_BYTES, SEEK_TABLE_FRAME, limit, word};
use crate::limits::{CHUNKS_MAX, FOOTER_BYTES_MAX, KEYFRAMES_MAX};
use crate::records::undecodable;

/// Bytes of the digest.
const DIGEST_BYTES: usize = blake3::OUT_LEN;
/// Bytes of the tail: the footer's offset, and the magic.
const TAIL_BYTES: usize = 8 + MAGIC.len();
/// Bytes of a footer's frame without its prefix.
pub(crate) const FRAME_BYTES_MAX: usize = FOOTER_BYTES_MAX + DIGEST_BYTES + TAIL_BYTES;
/// Bytes at the very end: number of frames, descriptor, magic number of the zstd seekable format.
const SEEK_FOOTER_BYTES: usize = 9;
/// The zstd seekable format's magic number.
const SEEKABLE: u32 = 0x8f92_eab1;
/// Frames that a seek table lists: two a chunk, the header, the footer.
const FRAMES_MAX: usize = 2 * CHUNKS_MAX + 2;

/// How a match ended. The last message of a file.
///
/// Fields are only ever added; a reader skips those it does not know.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Footer {
    /// The tick reached.
    #[prost(uint32, tag = "1")]
    pub last_tick: u32,
    /// The hash of the last state.
    #[prost(fixed64, tag = "2")]
    pub last_hash: u64,
    /// How it ended.
    #[prost(message, required, tag = "3")]
    pub outcome: Outcome,
    /// Ticks of the keyframes, each as the difference to the one before.
    #[prost(uint32, repeated, tag = "4")]
    pub(crate) keyframe_ticks: Vec<u32>,
    /// Where they are, each as the difference to the one before.
    #[prost(uint64, repeated, tag = "5")]
    pub(crate) keyframe_offsets: Vec<u64>,
}

/// The result of a match, or why its recording ended before it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Outcome {
    /// Why: `time`, `frags`, `captures`, what else a game knows; `moved` or `cut` if the match went on elsewhere.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// When, milliseconds since 1970.
    #[prost(uint64, tag = "2")]
    pub ended_ms: u64,
    /// Places of the seats, best first; empty if the match went on elsewhere.
    #[prost(message, repeated, tag = "3")]
    pub standings: Vec<Place>,
    /// Scores of the teams; empty without teams.
    #[prost(uint32, repeated, tag = "4")]
    pub team_scores: Vec<u32>,
}

impl Outcome {
    /// The reason of a replay whose match goes on in that of its next owner.
    pub const MOVED: &'static str = "moved";
}

impl From<&arena_sdk::Outcome> for Outcome {
    /// The reason is empty while the match runs.
    fn from(outcome: &arena_sdk::Outcome) -> Self {
        let place = |it: &arena_sdk::Standing| Place {
            seat: it.seat.into(),
            rank: it.rank.into(),
            kills: it.kills.into(),
            deaths: it.deaths.into(),
            bot: it.bot,
        };
        Self {
            reason: outcome.finished.unwrap_or_default().to_owned(),
            ended_ms: 0,
            standings: outcome.standings.iter().map(place).collect(),
            team_scores: outcome.team_scores.clone(),
        }
    }
}

/// One seat's place.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Place {
    /// The seat.
    #[prost(uint32, tag = "1")]
    pub seat: u32,
    /// The place from 1; equals share one.
    #[prost(uint32, tag = "2")]
    pub rank: u32,
    /// Kills, or what else a game counts in one's favour.
    #[prost(uint32, tag = "3")]
    pub kills: u32,
    /// Deaths, or what else a game counts against one.
    #[prost(uint32, tag = "4")]
    pub deaths: u32,
    /// Whether a bot played the seat at the end.
    #[prost(bool, tag = "5")]
    pub bot: bool,
}

/// Where a state can be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyframePlace {
    /// The tick of the state.
    pub tick: u32,
    /// The byte of the file at which its chunk starts.
    pub offset: u64,
}

impl Footer {
    pub(crate) fn new(last: (u32, u64), outcome: Outcome, keyframes: &[KeyframePlace]) -> Self {
        let (mut tick, mut offset) = (0, 0);
        let (mut keyframe_ticks, mut keyframe_offsets) = (Vec::new(), Vec::new());
        for place in keyframes {
            keyframe_ticks.push(place.tick - tick);
            keyframe_offsets.push(place.offset - offset);
            (tick, offset) = (place.tick, place.offset);
        }
        let (last_tick, last_hash) = last;
        Self { last_tick, last_hash, outcome, keyframe_ticks, keyframe_offsets }
    }

    /// Returns where keyframes are, in order; `end` is the footer's own place.
    pub(crate) fn keyframes(&self, end: u64) -> Result<Vec<KeyframePlace>, Fault> {
        limit("keyframes", self.keyframe_ticks.len() as u64, KEYFRAMES_MAX as u64)?;
        if self.keyframe_ticks.len() != self.keyframe_offsets.len() {
            let value = self.keyframe_offsets.len() as u64;
            return Err(Fault::Value { what: "number of places of keyframes", value });
        }
        let mut places: Vec<KeyframePlace> = Vec::with_capacity(self.keyframe_ticks.len());
        for (&ticks, &bytes) in self.keyframe_ticks.iter().zip(&self.keyframe_offsets) {
            let before = places.last().map_or((0, 0), |it| (it.tick, it.offset));
            let impossible = |what, value| Fault::Value { what, value };
            let is_later = places.is_empty() || ticks > 0;
            let tick = before.0.checked_add(ticks).filter(|it| is_later && *it <= self.last_tick);
            let tick = tick.ok_or(impossible("tick of a keyframe", ticks.into()))?;
            let offset = before.1.checked_add(bytes).filter(|it| *it < end && bytes > 0);
            let offset = offset.ok_or(impossible("place of a keyframe", bytes))?;
            places.push(KeyframePlace { tick, offset });
        }
        Ok(places)
    }

    /// Returns the footer's whole frame, for a file whose digest so far `hasher` holds.
    pub(crate) fn frame(&self, offset: u64, hasher: &mut blake3::Hasher) -> Vec<u8> {
        let message = self.encode_to_vec();
        let content = message.len() + DIGEST_BYTES + TAIL_BYTES;
        let mut bytes = Vec::with_capacity(PREFIX_BYTES + content);
        bytes.extend(FOOTER_FRAME.to_le_bytes());
        bytes.extend((content as u32).to_le_bytes());
        bytes.extend(message);
        hasher.update(&bytes);
        bytes.extend(hasher.finalize().as_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend(MAGIC);
        bytes
    }
}

/// A footer as it lies in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ending {
    pub(crate) footer: Footer,
    pub(crate) keyframes: Vec<KeyframePlace>,
    /// Where the footer's frame starts; chunks end here.
    pub(crate) offset: u64,
    /// BLAKE3 of the file up to [`Ending::digest_offset`].
    pub(crate) digest: Hash,
    /// Where the digest lies.
    pub(crate) digest_offset: u64,
    /// The byte after the footer's frame: the seek table starts here.
    pub(crate) end: u64,
}

impl Ending {
    /// Reads the footer whose whole frame is `bytes`, at `offset`.
    pub(crate) fn read(bytes: &[u8], offset: u64) -> Result<Self, Fault> {
        let content = bytes.len().checked_sub(PREFIX_BYTES + DIGEST_BYTES + TAIL_BYTES);
        let Some(length) = content else {
            return Err(Fault::Value { what: "length of its footer", value: bytes.len() as u64 });
        };
        let digest_at = PREFIX_BYTES + length;
        let (message, rest) = (&bytes[PREFIX_BYTES..digest_at], &bytes[digest_at..]);
        let (digest, tail) = rest.split_at(DIGEST_BYTES);
        if footer_offset(tail)? != offset {
            return Err(Fault::Tail { reason: "it points elsewhere" });
        }
        let footer = Footer::decode(message).map_err(|it| undecodable("footer", &it))?;
        let keyframes = footer.keyframes(offset)?;
        let digest = Hash::from_slice(digest).expect("as many bytes as a digest has");
        let digest_offset = offset + digest_at as u64;
        let end = offset + bytes.len() as u64;
        Ok(Self { footer, keyframes, offset, digest, digest_offset, end })
    }
}

fn footer_offset(tail: &[u8]) -> Result<u64, Fault> {
    match tail.split_first_chunk() {
        Some((offset, magic)) if magic == MAGIC => Ok(u64::from_le_bytes(*offset)),
        _ => Err(Fault::Tail { reason: "the magic is missing" }),
    }
}

/// Says how many bytes at the end of a file are needed to find its tail.
pub(crate) const ENDING_BYTES: usize = SEEK_FOOTER_BYTES;

/// Returns the length of the seek table that ends with `bytes`, its prefix included.
pub(crate) fn seek_table_len(bytes: &[u8; ENDING_BYTES]) -> Result<u64, Fault> {
    let frames = word(bytes, 0)?;
    if word(bytes, 5)? != SEEKABLE || bytes[4] != 0 {
        return Err(Fault::Tail { reason: "there is no seek table" });
    }
    limit("frames", frames.into(), FRAMES_MAX as u64)?;
    Ok((PREFIX_BYTES + SEEK_FOOTER_BYTES) as u64 + 8 * u64::from(frames))
}

/// Returns the bytes of the tail that a file has before its seek table.
pub(crate) const fn tail_bytes() -> usize {
    TAIL_BYTES
}

/// Returns the footer's offset in a tail.
pub(crate) fn read_tail(tail: &[u8]) -> Result<u64, Fault> {
    footer_offset(tail)
}

/// The frames of a file in the form that any reader of the zstd seekable format knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeekTable {
    /// Compressed and decompressed bytes.
    frames: Vec<[u32; 2]>,
}

impl SeekTable {
    /// Adds a frame that decompresses to nothing.
    pub(crate) fn skipped(&mut self, bytes: usize) {
        self.frames.push([bytes as u32, 0]);
    }

    pub(crate) fn data(&mut self, compressed: u32, decompressed: u32) {
        self.frames.push([compressed, decompressed]);
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        let content = 8 * self.frames.len() + SEEK_FOOTER_BYTES;
        let mut bytes = Vec::with_capacity(PREFIX_BYTES + content);
        bytes.extend(SEEK_TABLE_FRAME.to_le_bytes());
        bytes.extend((content as u32).to_le_bytes());
        self.frames.iter().flatten().for_each(|it| bytes.extend(it.to_le_bytes()));
        bytes.extend((self.frames.len() as u32).to_le_bytes());
        bytes.push(0); // no checksums: the chunks have their own
        bytes.extend(SEEKABLE.to_le_bytes());
        bytes
    }
}
