//! Inputs as they were recorded, without playing them.

use std::fs::File;
use std::io::Write;

use arena_replay::{Chunk, Content, PlaybackError, Reader};
use arena_sim::SeatInputs;
use serde_json::json;

use super::Stop;
use crate::cli::replay::shown;

/// Prints the inputs that lead from tick `from` to tick `to`, a line a change of a seat, and the events beside them.
pub(super) fn write(
    mut reader: Reader<File>,
    (from, to): (u32, u32),
    out: &mut impl Write,
) -> Result<(), Stop> {
    writeln!(out, "{}", json!({"replay": shown::header(reader.header())}))?;
    reader.seek(from);
    let mut before = SeatInputs::default();
    while let Some(chunk) = next(&mut reader)? {
        if chunk.head.from > to {
            break;
        }
        match chunk.content {
            Content::Inputs(inputs) => {
                for (tick, inputs) in (chunk.head.from..).zip(inputs) {
                    if tick >= from && tick < to {
                        changes(tick, &before, &inputs, out)?;
                        before = inputs;
                    }
                }
            }
            Content::Events(events) => {
                for event in events.iter().filter(|it| it.tick >= from && it.tick <= to) {
                    writeln!(out, "{}", shown::event(event))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn next(reader: &mut Reader<File>) -> Result<Option<Chunk>, Stop> {
    reader.next_chunk().map_err(|error| Stop::Play(PlaybackError::Read(error)))
}

fn changes(
    tick: u32,
    before: &SeatInputs,
    inputs: &SeatInputs,
    out: &mut impl Write,
) -> std::io::Result<()> {
    for (seat, (old, new)) in before.iter().zip(inputs).enumerate() {
        if old != new {
            let input = json!([new.move_x, new.move_y, new.aim, new.buttons]);
            writeln!(out, "{}", json!({"tick": tick, "seat": seat, "input": input}))?;
        }
    }
    Ok(())
}
