//! How much a replay may ask of whoever reads it. What exceeds a limit is refused, not read in part.

/// Bytes of the header's message; rules with a map of their own take about 2 KB.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// Players that a header names.
pub const PLAYERS_MAX: usize = 256;
/// Bytes of a chunk before compression: what a message of the mesh may have, so that a keyframe can travel.
pub const CHUNK_BYTES_MAX: usize = 4 << 20;
/// Ticks of one chunk of inputs: a minute.
pub const CHUNK_TICKS_MAX: u32 = 3_600;
/// Ticks from one hash, or one keyframe, to the next: ten minutes.
pub const CADENCE_TICKS_MAX: u32 = 36_000;
/// Ticks a second.
pub const TICK_RATE_HZ_MAX: u32 = 1_000;
/// Events, or notes, of one chunk.
pub const RECORDS_MAX: usize = 4_096;
/// Bytes of one event or note.
pub const RECORD_BYTES_MAX: usize = 4 << 10;
/// Hashes of one chunk.
pub const HASHES_MAX: usize = 4_096;
/// Chunks of a file: twelve days of one a second.
pub const CHUNKS_MAX: usize = 1 << 20;
/// Keyframes of a file: a week of one each ten seconds.
pub const KEYFRAMES_MAX: usize = 1 << 16;
/// Bytes of the footer's message.
pub const FOOTER_BYTES_MAX: usize = 1 << 20;
/// Bytes a writer holds for whoever appends them to the file.
pub const BACKLOG_BYTES_MAX: usize = 16 << 20;
