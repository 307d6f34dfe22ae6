//! A tick's outcome in the words that a kernel writes.
use crate::PLAYERS;
use crate::output::{FlagEvent, TickOutput};

/// Words of one [`TickOutput`]: tick; pairs of masks of seats, the first in the low half: fired and hit,
/// hitters and died, spawned and joined, left and taken; flags and end; two of killers, four of damage;
/// two that hold the state hash where it was asked for; one to spare.
pub const OUTPUT_WORDS: usize = 16;

/// Returns the outcome in the first [`OUTPUT_WORDS`] of `words`.
///
/// # Panics
/// If there are fewer.
#[must_use]
pub fn read_output(words: &[u32]) -> TickOutput {
    let words: &[u32; OUTPUT_WORDS] = words.first_chunk().expect("an output has its words");
    let (low, high) = (|word: u32| word as u16, |word: u32| (word >> 16) as u16);
    let nibble = |p: usize| (words[6 + p / 8] >> (4 * (p % 8)) & 15) as u8;
    let byte = |p: usize| (words[8 + p / 4] >> (8 * (p % 4))) as u8;
    let mut killers = [0; PLAYERS];
    for (p, killer) in killers.iter_mut().enumerate() {
        *killer = nibble(p);
    }
    let mut damage = [0; PLAYERS];
    for (p, lost) in damage.iter_mut().enumerate() {
        *lost = byte(p);
    }
    TickOutput {
        tick: words[0],
        fired: low(words[1]),
        hit: high(words[1]),
        hitters: low(words[2]),
        died: high(words[2]),
        spawned: low(words[3]),
        joined: high(words[3]),
        left: low(words[4]),
        taken: high(words[4]),
        flags: [flag_event(words[5]), flag_event(words[5] >> 8)],
        finished: words[5] >> 31 != 0,
        killers,
        damage,
    }
}

/// Reads a flag's event: its kind in the low four bits, the seat above.
fn flag_event(word: u32) -> FlagEvent {
    let seat = (word >> 4 & 15) as u8;
    match word & 15 {
        1 => FlagEvent::Taken { seat },
        2 => FlagEvent::Dropped { seat },
        3 => FlagEvent::Returned,
        4 => FlagEvent::Captured { seat },
        _ => FlagEvent::None,
    }
}

#[cfg(test)]
mod tests {
    use super::{OUTPUT_WORDS, read_output};
    use crate::output::{FlagEvent, TickOutput};

    #[test]
    fn every_word_of_an_output_has_its_place() {
        let mut words = [0; OUTPUT_WORDS];
        words[0] = 77;
        words[1] = 2 << 16 | 1;
        words[2] = 4 << 16 | 3;
        words[3] = 6 << 16 | 5;
        words[4] = 8 << 16 | 7;
        words[5] = 1 << 31 | (9 << 4 | 2) << 8 | (14 << 4 | 4);
        words[6] = 0xf;
        words[7] = 0xe << 28;
        words[8] = 200;
        words[11] = 255 << 24;
        let mut expected = TickOutput {
            tick: 77,
            fired: 1,
            hit: 2,
            hitters: 3,
            died: 4,
            spawned: 5,
            joined: 6,
            left: 7,
            taken: 8,
            flags: [FlagEvent::Captured { seat: 14 }, FlagEvent::Dropped { seat: 9 }],
            finished: true,
            ..TickOutput::default()
        };
        (expected.killers[0], expected.killers[15]) = (15, 14);
        (expected.damage[0], expected.damage[15]) = (200, 255);
        assert_eq!(read_output(&words), expected);
    }
}
