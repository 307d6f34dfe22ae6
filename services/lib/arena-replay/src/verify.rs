//! Saying whether a replay is true: whole, and what really happens when it is played again.
use std::collections::BTreeMap;
use std::io::{Read, Seek};

use crate::error::{Damage, ReadError};
use crate::footer::SeekTable;
use crate::frame::{ChunkKind, HEAD_BYTES};
use crate::limits::CHUNKS_MAX;
use crate::playback::{Compared, Playback, PlaybackError, Step};
use crate::problem::{Problem, Problems};
use crate::reader::{Reader, Walked};
use crate::simulation::Simulation;

/// Ticks simulated between two calls of whoever shows progress.
const PROGRESS_TICKS: u32 = 600;

/// What a verification found.
#[derive(Clone, Debug)]
pub struct Verification {
    /// What the file is made of.
    pub audit: Audit,
    /// How much was compared.
    pub compared: Compared,
    /// The last tick whose state is known to be the recorded one.
    pub proven_tick: Option<u32>,
    /// What is wrong.
    pub problems: Problems,
}

impl Verification {
    /// Whether the file is whole and the match took the recorded course to the recorded end.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What a file is made of.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Chunks by what they hold.
    pub chunks: BTreeMap<ChunkKind, Tally>,
    /// What does not have the checksum it should.
    pub problems: Problems,
}

/// Some chunks together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Bytes in the file, heads included.
    pub file_bytes: u64,
    /// Bytes before compression.
    pub raw_bytes: u64,
}

/// Checks every checksum of a file, and counts its chunks. Decompresses nothing; O(file).
///
/// # Errors
/// [`ReadError::Io`] only: what is damaged is in [`Audit::problems`].
pub fn audit<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Audit, ReadError> {
    let mut audit = Audit::default();
    let mut table = SeekTable::default();
    let (mut offset, end) = reader.range();
    table.skipped(offset as usize);
    let mut is_whole = true;
    let mut reached = reader.header().first_tick;
    for _ in 0..CHUNKS_MAX {
        if offset >= end {
            break;
        }
        let damage = match reader.walk(offset) {
            Ok(Walked::Chunk(head)) if head.end() <= end => {
                let tally = audit.chunks.entry(head.kind).or_default();
                tally.count += 1;
                tally.file_bytes += head.end() - offset;
                tally.raw_bytes += u64::from(head.raw_len);
                table.skipped(HEAD_BYTES);
                table.data(head.data_len, head.raw_len);
                offset = head.end();
                if matches!(head.kind, ChunkKind::Inputs | ChunkKind::Keyframe) {
                    reached = head.to;
                }
                continue;
            }
            Ok(_) => break, // The reader finds out when it plays what is there.
            Err(ReadError::Damaged(damage)) => damage,
            Err(error) => return Err(error),
        };
        is_whole = false;
        let next = damage.chunk.map(|it| it.end()).filter(|it| *it <= end);
        let next = next.or_else(|| reader.keyframe_after(offset).map(|it| it.offset));
        audit.problems.push(Problem::Damaged(reader.with_ticks(damage, reached)));
        offset = next.unwrap_or(end);
    }
    check_whole(reader, table, is_whole, &mut audit.problems)?;
    Ok(audit)
}

fn check_whole<R: Read + Seek>(
    reader: &mut Reader<R>,
    table: SeekTable,
    is_whole: bool,
    problems: &mut Problems,
) -> Result<(), ReadError> {
    if let Some(recovery) = reader.recovery() {
        problems.push(Problem::Unfinished(recovery.clone()));
    }
    // Damaged chunks have been told already; the file as a whole cannot be other than damaged then.
    if !is_whole {
        return Ok(());
    }
    let mut note = |damage: Option<Damage>| {
        if let Some(damage) = damage {
            problems.push(Problem::Damaged(damage));
        }
    };
    note(reader.check_digest()?);
    note(reader.check_seek_table(table)?);
    Ok(())
}

/// Plays a replay from its start, and compares every hash, every keyframe and the outcome.
///
/// After something that is wrong it goes on at the next keyframe. `progress` hears of the tick reached.
/// Keyframes cut a replay into parts that could be played on as many cores.
///
/// # Errors
/// [`PlaybackError::Read`] if the file cannot be read, [`PlaybackError::Simulation`] if this build cannot
/// play the match; what is wrong with the replay itself is in [`Verification::problems`].
pub fn verify<R: Read + Seek, S: Simulation>(
    mut reader: Reader<R>,
    simulation: S,
    mut progress: impl FnMut(u32),
) -> Result<Verification, PlaybackError<S::Error>> {
    let audit = audit(&mut reader).map_err(PlaybackError::Read)?;
    let mut playback = Playback::new(reader, simulation)?;
    let mut told = playback.tick();
    loop {
        match playback.step(PROGRESS_TICKS)? {
            Step::End => break,
            Step::Ticks(_, tick) | Step::Jump(tick) if tick.abs_diff(told) >= PROGRESS_TICKS => {
                told = tick;
                progress(tick);
            }
            _ => {}
        }
    }
    let mut problems = audit.problems.clone();
    problems.extend(playback.problems().clone());
    if playback.proven_tick().is_none() {
        problems.push(Problem::Unproven);
    }
    let (compared, proven_tick) = (playback.compared(), playback.proven_tick());
    Ok(Verification { audit, compared, proven_tick, problems })
}
