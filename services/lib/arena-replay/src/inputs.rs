//! Inputs as columns: a seat that holds its input costs next to nothing.
//!
//! A column is a list of tokens, `mask | run << 4`: `run` ticks with the input before, then one tick in which
//! the bytes of `mask` change. A run of 15 or more is 15 and the rest in a varint. A zero byte ends a column:
//! the rest is unchanged. After the 16 columns come the changes, byte 0 of all of them in order, then bytes
//! 1, 2 and 3: differences for the sticks and the aim, and the bits that toggled for the buttons.
use arena_sim::{Input, PLAYERS, SeatInputs};

use crate::error::Fault;

/// Bytes of an input.
const BYTES: usize = 4;
/// The longest run that fits into a token.
const RUN_MAX: u32 = 15;
/// The byte of an input whose bits toggle.
const BUTTONS: usize = 3;

/// Inputs on their way into a chunk.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    seats: [Column; PLAYERS],
    last: [u32; PLAYERS],
    ticks: u32,
}

#[derive(Clone, Debug, Default)]
struct Column {
    tokens: Vec<u8>,
    changes: [Vec<u8>; BYTES],
    run: u32,
}

impl Columns {
    pub(crate) fn new() -> Self {
        Self { seats: Default::default(), last: [0; PLAYERS], ticks: 0 }
    }

    /// Returns the ticks taken since the last chunk.
    pub(crate) fn ticks(&self) -> u32 {
        self.ticks
    }

    /// Takes the inputs of one tick; O(seats that changed) but for comparing all.
    pub(crate) fn push(&mut self, inputs: &SeatInputs) {
        self.ticks += 1;
        for (seat, input) in inputs.iter().enumerate() {
            let (new, column) = (input.pack(), &mut self.seats[seat]);
            if new == self.last[seat] {
                column.run += 1;
            } else {
                column.change(self.last[seat], new);
                self.last[seat] = new;
            }
        }
    }

    /// Appends the chunk's content to `out` and starts the next.
    pub(crate) fn seal(&mut self, out: &mut Vec<u8>) {
        for column in &mut self.seats {
            out.append(&mut column.tokens);
            out.push(0);
            column.run = 0;
        }
        for byte in 0..BYTES {
            for column in &mut self.seats {
                out.append(&mut column.changes[byte]);
            }
        }
        self.ticks = 0;
    }

    /// Makes the next chunk readable without the one before; call it right after [`Columns::seal`].
    pub(crate) fn refresh(&mut self) {
        self.last = [0; PLAYERS];
    }
}

impl Column {
    fn change(&mut self, old: u32, new: u32) {
        let (old, new) = (old.to_le_bytes(), new.to_le_bytes());
        let mut mask = 0;
        for byte in 0..BYTES {
            if old[byte] != new[byte] {
                mask |= 1 << byte;
                self.changes[byte].push(difference(byte, old[byte], new[byte]));
            }
        }
        self.tokens.push(mask | (self.run.min(RUN_MAX) as u8) << 4);
        if let Some(mut rest) = self.run.checked_sub(RUN_MAX) {
            while rest >= 0x80 {
                self.tokens.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            self.tokens.push(rest as u8);
        }
        self.run = 0;
    }
}

fn difference(byte: usize, old: u8, new: u8) -> u8 {
    if byte == BUTTONS { old ^ new } else { new.wrapping_sub(old) }
}

fn apply(byte: usize, old: u8, change: u8) -> u8 {
    if byte == BUTTONS { old ^ change } else { old.wrapping_add(change) }
}

/// Reads a chunk of `ticks` ticks; `last` is the input before it of each seat, and then the last of it.
pub(crate) fn decode(
    bytes: &[u8],
    ticks: u32,
    last: &mut [u32; PLAYERS],
) -> Result<Vec<SeatInputs>, Fault> {
    let mut tokens = bytes.iter();
    let mut steps: Vec<(u32, u8)> = Vec::new();
    let mut ends = [0; PLAYERS];
    let mut counts = [0_usize; BYTES];
    for end in &mut ends {
        let mut at = 0;
        while let Some((tick, mask)) = token(&mut tokens, at, ticks)? {
            at = tick + 1;
            steps.push((tick, mask));
            (0..BYTES).for_each(|it| counts[it] += usize::from(mask >> it & 1));
        }
        *end = steps.len();
    }
    let mut rest = tokens.as_slice();
    if counts.iter().sum::<usize>() != rest.len() {
        return Err(Fault::Inputs { reason: "their changes are too many or too few" });
    }
    let mut changes = counts.map(|count| {
        let (these, others) = rest.split_at(count);
        rest = others;
        these.iter()
    });
    let mut inputs = vec![SeatInputs::default(); ticks as usize];
    let mut begin = 0;
    for (seat, end) in ends.into_iter().enumerate() {
        let (mut from, mut now) = (0, last[seat].to_le_bytes());
        for &(tick, mask) in &steps[begin..end] {
            fill(&mut inputs[from..tick as usize], seat, now);
            from = tick as usize;
            for (byte, changes) in changes.iter_mut().enumerate() {
                if mask >> byte & 1 != 0 {
                    let change = changes.next().expect("as many as the masks have bits");
                    now[byte] = apply(byte, now[byte], *change);
                }
            }
        }
        fill(&mut inputs[from..], seat, now);
        last[seat] = u32::from_le_bytes(now);
        begin = end;
    }
    Ok(inputs)
}

fn fill(inputs: &mut [SeatInputs], seat: usize, input: [u8; BYTES]) {
    let input = Input::unpack(u32::from_le_bytes(input));
    for inputs in inputs {
        inputs[seat] = input;
    }
}

/// Returns the tick of the next change and what changes; `None` at the end of the column.
fn token(
    bytes: &mut std::slice::Iter<'_, u8>,
    at: u32,
    ticks: u32,
) -> Result<Option<(u32, u8)>, Fault> {
    let cut = || Fault::Inputs { reason: "a column does not end" };
    let token = *bytes.next().ok_or_else(cut)?;
    let (mut run, mask) = (u32::from(token >> 4), token & 15);
    if mask == 0 {
        let is_end = run == 0;
        return if is_end { Ok(None) } else { Err(Fault::Inputs { reason: "nothing changes" }) };
    }
    if run == RUN_MAX {
        for shift in [0, 7, 14] {
            let byte = *bytes.next().ok_or_else(cut)?;
            run += u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
            if shift == 14 {
                return Err(Fault::Inputs { reason: "a run is too long" });
            }
        }
    }
    match at + run {
        tick if tick < ticks => Ok(Some((tick, mask))),
        _ => Err(Fault::Inputs { reason: "a change is after the last tick" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seated(words: [u32; 3]) -> SeatInputs {
        let mut inputs = SeatInputs::default();
        (inputs[0], inputs[7]) = (Input::unpack(words[0]), Input::unpack(words[1]));
        inputs[15] = Input::unpack(words[2]);
        inputs
    }

    fn round(ticks: &[SeatInputs]) -> Vec<u8> {
        let mut columns = Columns::new();
        for inputs in ticks {
            columns.push(inputs);
        }
        let mut bytes = Vec::new();
        columns.seal(&mut bytes);
        let decoded = decode(&bytes, ticks.len() as u32, &mut [0; PLAYERS]).unwrap();
        assert!(decoded == ticks, "what was written is what is read");
        bytes
    }

    #[test]
    fn a_minute_of_nothing_is_a_byte_a_seat() {
        assert_eq!(round(&vec![SeatInputs::default(); 3_600]), [0; PLAYERS]);
    }

    #[test]
    fn runs_of_every_length_come_back() {
        for run in [0, 1, 14, 15, 16, 142, 143, 3_000] {
            let mut ticks = vec![SeatInputs::default(); run];
            ticks.push(seated([0x0102_0304, 0xff00_0000, 0x80ff_7f80]));
            ticks.push(seated([0x0102_0304, 0, u32::MAX]));
            round(&ticks);
        }
    }

    #[test]
    fn a_chunk_goes_on_where_the_one_before_ended() {
        let mut columns = Columns::new();
        let held = seated([7, 8, 9]);
        columns.push(&held);
        let mut first = Vec::new();
        columns.seal(&mut first);
        columns.push(&held);
        let mut second = Vec::new();
        columns.seal(&mut second);
        assert_eq!(second, [0; PLAYERS], "nothing changed");
        let mut last = [0; PLAYERS];
        assert_eq!(decode(&first, 1, &mut last).unwrap(), [held]);
        assert_eq!(decode(&second, 1, &mut last).unwrap(), [held]);
    }

    #[test]
    fn columns_that_make_no_sense_have_a_reason() {
        let reason = |bytes: &[u8]| match decode(bytes, 20, &mut [0; PLAYERS]) {
            Err(Fault::Inputs { reason }) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(&[]), "a column does not end");
        assert_eq!(reason(&[0x10]), "nothing changes");
        assert_eq!(reason(&[0xf1, 0x80, 0x80, 0x80]), "a run is too long");
        assert_eq!(reason(&[0xf1, 0xff, 0x7f]), "a change is after the last tick");
        assert_eq!(reason(&[0xf1, 5]), "a change is after the last tick");
        assert_eq!(reason(&[0; 17]), "their changes are too many or too few");
    }
}
