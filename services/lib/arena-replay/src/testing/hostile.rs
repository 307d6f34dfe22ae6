//! What fuzzing runs without end, and tests run for a moment: bytes that wish no good.
use std::io::Cursor;

use crate::{Chunk, Content, Follower, Part, ReadError, Reader, audit};

mod draft;
mod state;
mod verify;

/// Keyframes that are gone to in one run.
const SEEKS_MAX: usize = 4;

/// A property that holds for any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Panics if the property does not hold.
    pub run: fn(&[u8]),
    /// Returns bytes that reach far, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 3] = [
    Target { name: "replay_reader", run: reader, seeds: reader_seeds },
    Target { name: "replay_verify", run: verify::run, seeds: verify::seeds },
    Target { name: "snapshot_import", run: state::run, seeds: state::seeds },
];

impl Target {
    /// Runs on `count` mutants of the seeds; `seed` decides which.
    pub fn run_seeded(&self, seed: u64, count: u32) {
        let seeds = (self.seeds)();
        let mut dice = Dice(seed.wrapping_mul(2).wrapping_add(1));
        for _ in 0..count {
            let mut bytes = seeds[dice.below(seeds.len())].clone();
            for _ in 0..=dice.below(8) {
                mutate(&mut bytes, &mut dice);
            }
            (self.run)(&bytes);
        }
    }
}

/// Any file is read without a panic, and as it grows it gives the same chunks as when it is whole.
fn reader(bytes: &[u8]) {
    let followed = follow(bytes);
    let Ok(mut reader) = Reader::open(Cursor::new(bytes)) else { return };
    let mut read = Vec::new();
    while let Ok(Some(chunk)) = reader.next_chunk() {
        read.push(chunk);
    }
    let common = read.len().min(followed.len());
    assert!(read[..common] == followed[..common], "both ways give the same chunks");
    let ticks: Vec<u32> = reader.keyframes().iter().map(|it| it.tick).take(SEEKS_MAX).collect();
    for tick in ticks {
        let place = reader.seek(tick).expect("there is this keyframe");
        match reader.next_chunk() {
            Ok(Some(Chunk { head, content: Content::Keyframe(_) })) => {
                assert_eq!((head.from, head.offset), (place.tick, place.offset));
            }
            Ok(other) => panic!("{place:?} is {other:?}"),
            Err(ReadError::Damaged(_)) => {}
            Err(ReadError::Io { .. }) => panic!("memory can be read"),
        }
    }
    audit(&mut reader).expect("memory can be read");
}

fn follow(bytes: &[u8]) -> Vec<Chunk> {
    let mut follower = Follower::new();
    let mut chunks = Vec::new();
    let mut rest = bytes;
    let step = 1 + bytes.len() / 5;
    while !rest.is_empty() {
        let taken = follower.push(&rest[..step.min(rest.len())]);
        rest = &rest[taken..];
        loop {
            match follower.next_part() {
                Ok(Some(Part::Chunk(chunk))) => chunks.push(chunk),
                Ok(Some(Part::Header(_))) => {}
                Ok(None) => break,
                Ok(Some(Part::End(_))) | Err(_) => return chunks,
            }
        }
        if taken == 0 {
            break;
        }
    }
    chunks
}

fn reader_seeds() -> Vec<Vec<u8>> {
    let whole = draft::file(draft::Base::Sums);
    let torn = whole[..whole.len() * 2 / 3].to_vec();
    vec![whole, torn, draft::file(draft::Base::Arena)]
}

/// Bytes that decide what happens, as long as there are any.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn half(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    fn word(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*first))
    }

    /// A number that is often small, or near the greatest: where limits are.
    fn number(&mut self) -> Option<u32> {
        Some(match self.byte()? {
            0..=127 => u32::from(self.byte()?),
            128..=191 => u32::from(self.half()?),
            192..=223 => u32::MAX - u32::from(self.byte()?),
            _ => self.word()?,
        })
    }
}

/// A generator for tests: the same seed, the same mutants (PCG, XSH-RR 64/32).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u32 {
        let old = self.0;
        self.0 = old.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ((((old >> 18) ^ old) >> 27) as u32).rotate_right((old >> 59) as u32)
    }

    fn below(&mut self, end: usize) -> usize {
        self.roll() as usize % end.max(1)
    }
}

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(bytes.len());
    match dice.below(8) {
        0 => bytes.truncate(at),
        1 => bytes.extend(dice.roll().to_le_bytes()),
        2 if at + 4 <= bytes.len() => {
            let word = [0, 1, u32::MAX, dice.roll()][dice.below(4)];
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        3 if at < bytes.len() => {
            let end = (at + 1 + dice.below(64)).min(bytes.len());
            bytes.extend_from_within(at..end);
        }
        4 if at < bytes.len() => drop(bytes.remove(at)),
        5 => bytes.insert(at, dice.roll() as u8),
        _ if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        _ => {}
    }
}
