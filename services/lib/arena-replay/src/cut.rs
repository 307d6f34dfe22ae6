//! A part of a replay as a replay of its own.
use std::io::{Read, Seek, Write};

use crate::codec::Encoder;
use crate::error::WriteError;
use crate::footer::Outcome;
use crate::playback::{Playback, PlaybackError, Step};
use crate::simulation::Simulation;
use crate::writer::{Settings, Writer};

/// Why no part could be cut out.
#[derive(Debug, thiserror::Error)]
pub enum CutError<E: std::error::Error + 'static> {
    /// The replay cannot be played, has no such ticks, or is not true.
    #[error("cannot play the part that is to be cut out")]
    Playback(#[source] PlaybackError<E>),
    /// The part ends before it starts.
    #[error("tick {to} is before tick {from}")]
    Backwards {
        /// The first tick asked for.
        from: u32,
        /// The last tick asked for.
        to: u32,
    },
    /// The new replay cannot be encoded.
    #[error("cannot make the new replay")]
    Write(#[source] WriteError),
    /// The new replay cannot be written.
    #[error("cannot write the new replay")]
    Io(#[source] std::io::Error),
}

/// Writes ticks `from` to `to` of a replay as a new one, which starts with a keyframe; `None` means the
/// first, or last, tick there is. A replay without an end gets one.
///
/// What is cut out is played, so it is true as far as the old replay has hashes. The new replay keeps the
/// outcome if it has the end, else its outcome is `cut`.
///
/// # Errors
/// [`CutError`]; what was written then is no replay.
pub fn cut<R: Read + Seek, S: Simulation>(
    playback: &mut Playback<R, S>,
    (from, to): (Option<u32>, Option<u32>),
    out: &mut impl Write,
) -> Result<(), CutError<S::Error>> {
    let reader = playback.reader();
    let mut header = reader.header().clone();
    let last = reader.last_tick();
    let outcome = reader.footer().map(|it| it.outcome.clone());
    let (from, to) = (from.unwrap_or(header.first_tick), to.unwrap_or(last));
    if to < from {
        return Err(CutError::Backwards { from, to });
    }
    if to > last {
        let first = header.first_tick;
        return Err(CutError::Playback(PlaybackError::Beyond { tick: to, first, last }));
    }
    playback.seek(from).map_err(CutError::Playback)?;
    header.first_tick = from;
    let mut encoder = Encoder::new().map_err(CutError::Write)?;
    let mut writer = Writer::new(&header, Settings::default()).map_err(CutError::Write)?;
    let is_end = copy(playback, to, &mut writer, &mut encoder, out)?;
    let outcome = outcome
        .filter(|_| is_end)
        .unwrap_or_else(|| Outcome { reason: "cut".to_owned(), ..Outcome::default() });
    let hash = playback.simulation().hash().map_err(played)?;
    let end = writer.finish(outcome, hash, &mut encoder).map_err(CutError::Write)?;
    out.write_all(&end.bytes).map_err(CutError::Io)
}

fn played<E: std::error::Error + 'static>(error: E) -> CutError<E> {
    CutError::Playback(PlaybackError::Simulation(error))
}

/// Copies what is played up to a tick; returns whether that is the end, and the recorded one.
fn copy<R: Read + Seek, S: Simulation>(
    playback: &mut Playback<R, S>,
    to: u32,
    writer: &mut Writer,
    encoder: &mut Encoder,
    out: &mut impl Write,
) -> Result<bool, CutError<S::Error>> {
    loop {
        if writer.is_hash_due() {
            let hash = playback.simulation().hash().map_err(played)?;
            writer.hash(hash, encoder).map_err(CutError::Write)?;
        }
        if writer.is_keyframe_due() {
            let state = playback.simulation().state().map_err(played)?;
            writer.keyframe(&state, encoder).map_err(CutError::Write)?;
        }
        if let Some(block) = writer.take() {
            out.write_all(&block.bytes).map_err(CutError::Io)?;
        }
        let left = to - playback.tick();
        let step = playback.step(left.min(1)).map_err(CutError::Playback)?;
        if let Some(problem) = playback.problems().list().first() {
            return Err(CutError::Playback(PlaybackError::Untrue(Box::new(problem.clone()))));
        }
        match step {
            Step::Ticks(..) if left == 0 => return Ok(false),
            Step::End if left == 0 => return Ok(true),
            Step::Ticks(tick, _) => {
                let inputs = playback.last_inputs(1);
                writer.inputs(tick, &inputs[0], encoder).map_err(CutError::Write)?;
            }
            Step::Event(event) => {
                let (kind, text) = (&event.kind, &event.text);
                writer.event(kind, event.seat, text, encoder).map_err(CutError::Write)?;
            }
            Step::Note(note) => {
                writer.note(&note.name, &note.value, encoder).map_err(CutError::Write)?;
            }
            Step::End | Step::Jump(_) => {
                let (tick, last) = (to, playback.tick());
                let first = playback.reader().header().first_tick;
                return Err(CutError::Playback(PlaybackError::Beyond { tick, first, last }));
            }
        }
    }
}
