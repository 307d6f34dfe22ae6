//! Replays that still grow.
use std::io::Cursor;

use super::open;
use crate::testing::{Sums, record_game, sums_header};
use crate::{Chunk, Follower, Part};

fn file() -> Vec<u8> {
    record_game(Sums::default(), &sums_header(4), 333, |_, tick, inputs| {
        inputs[(tick / 7) as usize % 16].aim = tick as u8;
    })
}

fn chunks(bytes: &[u8]) -> Vec<Chunk> {
    let mut reader = open(bytes);
    std::iter::from_fn(|| reader.next_chunk().unwrap()).collect()
}

#[test]
fn parts_come_as_soon_as_they_are_whole_and_once() {
    let bytes = file();
    for step in [1, 7, 100, 5_000] {
        let mut follower = Follower::new();
        let (mut parts, mut most) = (Vec::new(), 0);
        for bytes in bytes.chunks(step) {
            assert_eq!(follower.push(bytes), bytes.len());
            let before = parts.len();
            while let Some(part) = follower.next_part().unwrap() {
                parts.push(part);
            }
            most = most.max(parts.len() - before);
        }
        assert!(step > 7 || most == 1, "a chunk is longer than {step} bytes");
        let Some(Part::Header(header)) = parts.first() else { panic!("the header comes first") };
        assert_eq!(header, &sums_header(4));
        let Some(Part::End(footer)) = parts.last() else { panic!("the end comes last") };
        assert_eq!(Some(footer), open(&bytes).footer());
        let followed = parts.iter().filter_map(|it| match it {
            Part::Chunk(chunk) => Some(chunk.clone()),
            _ => None,
        });
        assert_eq!(followed.collect::<Vec<_>>(), chunks(&bytes), "in steps of {step}");
    }
}

#[test]
fn a_file_is_followed_from_where_it_was_read_to() {
    let bytes = file();
    let mut follower = Follower::new();
    let mut source = Cursor::new(&bytes[..1_000]);
    while follower.fill(&mut source).unwrap() > 0 {}
    let early = std::iter::from_fn(|| follower.next_part().unwrap()).count();
    let mut grown = Cursor::new(&bytes[..]);
    grown.set_position(source.position());
    while follower.fill(&mut grown).unwrap() > 0 {}
    let late = std::iter::from_fn(|| follower.next_part().unwrap()).count();
    assert!(early > 1, "the header and some chunks are whole in 1000 bytes");
    assert_eq!(early + late, chunks(&bytes).len() + 2);
    assert_eq!(follower.next_part().unwrap(), None, "nothing comes after the end");
}

#[test]
fn what_is_damaged_stays_so_however_often_it_is_read() {
    let mut bytes = file();
    let at = open(&bytes).keyframes()[1].offset as usize;
    bytes[at + 40] ^= 1;
    let mut follower = Follower::new();
    follower.push(&bytes);
    let error = loop {
        match follower.next_part() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the damage was not noticed"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.starts_with(&format!("chunk `keyframe` at byte {at}, tick 100: its data")));
    assert_eq!(follower.next_part().unwrap_err().to_string(), error);
}
