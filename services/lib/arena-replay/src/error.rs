//! Why a replay cannot be read or written: where, and what.
use std::fmt;
use std::io;

use crate::frame::ChunkHead;

/// What is wrong with bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not a replay at all.
    #[error("does not start as a replay does")]
    NotReplay,
    /// Written in another form.
    #[error("has format version {found}, this build reads {}", crate::frame::VERSION)]
    Version {
        /// The file's version, as a letter.
        found: char,
    },
    /// The bytes end too early.
    #[error("ends after {found} of {needed} bytes")]
    Incomplete {
        /// Bytes there are.
        found: u64,
        /// Bytes there should be.
        needed: u64,
    },
    /// What should be a chunk is none.
    #[error("is no chunk: it starts with {found:08x}")]
    Frame {
        /// The four bytes, as a little-endian word.
        found: u32,
    },
    /// The header or the head of a chunk is not what was written.
    #[error("its head is damaged: CRC-32C {found:08x}, expected {expected:08x}")]
    HeadChecksum {
        /// What the bytes add up to.
        found: u32,
        /// What was written.
        expected: u32,
    },
    /// The data of a chunk are not what was written.
    #[error("its data are damaged: CRC-32C {found:08x}, expected {expected:08x}")]
    DataChecksum {
        /// What the bytes add up to.
        found: u32,
        /// What was written.
        expected: u32,
    },
    /// The whole file is not what was written.
    #[error("the file is damaged: BLAKE3 {found}, expected {expected}")]
    Digest {
        /// What the bytes add up to, hexadecimal.
        found: String,
        /// What was written, hexadecimal.
        expected: String,
    },
    /// More than a reader agrees to.
    #[error("has {found} {what}, at most {max} are allowed")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        found: u64,
        /// The limit.
        max: u64,
    },
    /// A number that cannot be.
    #[error("has an impossible {what}: {value}")]
    Value {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// A message that cannot be decoded.
    #[error("its {what} cannot be decoded: {reason}")]
    Message {
        /// Which message.
        what: &'static str,
        /// The decoder's words.
        reason: String,
    },
    /// Data that do not decompress to what the head says.
    #[error("its data do not decompress: {reason}")]
    Compression {
        /// The decompressor's words.
        reason: String,
    },
    /// Inputs whose columns make no sense.
    #[error("its inputs cannot be decoded: {reason}")]
    Inputs {
        /// What is wrong.
        reason: &'static str,
    },
    /// A chunk that does not follow the one before it.
    #[error("starts at tick {found}, expected {expected}")]
    Order {
        /// The chunk's tick.
        found: u32,
        /// The tick that comes next.
        expected: u32,
    },
    /// Inputs, but no state they could change: the keyframe before them is missing.
    #[error("there is no state that its inputs could change")]
    NoState,
    /// A keyframe that the game does not take.
    #[error("the game refuses its state: {reason}")]
    Keyframe {
        /// The game's words.
        reason: String,
    },
    /// The footer speaks of a keyframe that is not there.
    #[error("is no keyframe of tick {tick}, as the footer says")]
    Index {
        /// The tick in the footer.
        tick: u32,
    },
    /// The zstd seek table is not that of this file.
    #[error("the seek table does not list the frames of this file")]
    SeekTable,
    /// The end is not that of a replay.
    #[error("the file has no end: {reason}")]
    Tail {
        /// What is missing.
        reason: &'static str,
    },
}

/// A fault with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The byte of the file at which the damaged frame starts.
    pub offset: u64,
    /// The chunk, if its head can be read.
    pub chunk: Option<ChunkHead>,
    /// The ticks it concerns, if they are known: those of the chunk, else all that may be missing.
    pub ticks: Option<(u32, u32)>,
    /// What is wrong.
    pub fault: Fault,
}

impl Damage {
    pub(crate) fn at(offset: u64, fault: Fault) -> Self {
        Self { offset, chunk: None, ticks: None, fault }
    }

    pub(crate) fn in_chunk(head: ChunkHead, fault: Fault) -> Self {
        Self { offset: head.offset, chunk: Some(head), ticks: Some((head.from, head.to)), fault }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(head) = &self.chunk {
            write!(f, "chunk `{}` at ", head.kind)?;
        }
        write!(f, "byte {}", self.offset)?;
        match self.ticks {
            Some((from, to)) if from == to => write!(f, ", tick {from}")?,
            Some((from, to)) if self.chunk.is_none() => write!(f, ", within ticks {from} to {to}")?,
            Some((from, to)) => write!(f, ", ticks {from} to {to}")?,
            None => {}
        }
        write!(f, ": {}", self.fault)
    }
}

/// Why a replay cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file itself cannot be read.
    #[error("cannot read at byte {offset}")]
    Io {
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// What is in the file makes no sense.
    #[error("{0}")]
    Damaged(Damage),
}

impl ReadError {
    pub(crate) fn at(offset: u64, fault: Fault) -> Self {
        Self::Damaged(Damage::at(offset, fault))
    }

    pub(crate) fn in_chunk(head: ChunkHead, fault: Fault) -> Self {
        Self::Damaged(Damage::in_chunk(head, fault))
    }
}

/// Why a writer did not take something. What it took before stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A header that no reader would accept.
    #[error("cannot write a replay with this header: it {0}")]
    Header(#[source] Fault),
    /// Inputs, or a keyframe, of a tick that is not the next one.
    #[error("tick {found} cannot follow, expected {expected}")]
    Order {
        /// The tick given.
        found: u32,
        /// The tick that comes next.
        expected: u32,
    },
    /// More than a reader agrees to.
    #[error("{found} {what} are too many, at most {max}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A match that starts in the middle starts with a keyframe.
    #[error("a replay from tick {tick} on starts with a keyframe")]
    NoKeyframe {
        /// The first tick.
        tick: u32,
    },
    /// The compressor failed: no memory is left.
    #[error("cannot compress: {reason}")]
    Compression {
        /// Its words.
        reason: String,
    },
}
