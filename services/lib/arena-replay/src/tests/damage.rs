//! Files that are not what was written.
use std::io::Cursor;

use expect_test::{Expect, expect};

use super::open;
use crate::testing::{Sums, record_game, sums_header};
use crate::{ChunkHead, ChunkKind, Reader, Verification};

fn file(ticks: u32) -> Vec<u8> {
    record_game(Sums::default(), &sums_header(4), ticks, |_, tick, inputs| {
        inputs[(tick / 7) as usize % 16].aim = tick as u8;
    })
}

fn verify(bytes: &[u8]) -> Result<Verification, String> {
    let reader = Reader::open(Cursor::new(bytes)).map_err(|it| it.to_string())?;
    crate::verify(reader, Sums::default(), |_| ()).map_err(|it| it.to_string())
}

fn heads(bytes: &[u8]) -> Vec<ChunkHead> {
    let mut reader = open(bytes);
    std::iter::from_fn(|| reader.next_chunk().unwrap().map(|it| it.head)).collect()
}

#[test]
fn a_file_torn_at_any_byte_is_read_to_the_last_whole_chunk() {
    let bytes = file(130);
    let heads = heads(&bytes);
    let first = heads[0].offset as usize;
    for length in 0..bytes.len() {
        let torn = &bytes[..length];
        let Ok(verification) = verify(torn) else {
            assert!(length < first, "a header that is not whole is the only error, at {length}");
            continue;
        };
        assert!(!verification.is_true(), "{length} of {} bytes are not the file", bytes.len());
        let whole = heads.iter().filter(|it| it.end() <= length as u64);
        let ticks = whole.filter(|it| it.kind == ChunkKind::Inputs).map(|it| it.to).max();
        assert_eq!(open(torn).last_tick(), ticks.unwrap_or(0), "{length} bytes");
        assert_eq!(verification.compared.ticks, u64::from(ticks.unwrap_or(0)), "{length} bytes");
    }
    assert!(verify(&bytes).unwrap().is_true());
}

#[test]
fn no_bit_of_a_file_can_change_unnoticed() {
    let bytes = file(130);
    let mut damaged = bytes.clone();
    for bit in 0..8 * bytes.len() {
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(verification) = verify(&damaged) {
            assert!(!verification.is_true(), "bit {} of byte {}", bit % 8, bit / 8);
        }
        damaged[bit / 8] = bytes[bit / 8];
    }
}

#[test]
fn bytes_after_the_end_are_noticed_and_passed_over() {
    let mut bytes = file(130);
    bytes.extend(b"and more");
    let reader = open(&bytes);
    assert_eq!(reader.footer().map(|it| it.last_tick), Some(130));
    assert_eq!(reader.recovery().map(|it| it.stop.clone()), Some(None));
    assert!(!verify(&bytes).unwrap().is_true());
}

/// Changes one byte of the first chunk of a kind that ends after a tick.
fn check(kind: ChunkKind, tick: u32, expected: &Expect) {
    let mut bytes = file(230);
    let heads = heads(&bytes);
    let head = heads.iter().find(|it| it.kind == kind && it.to > tick).unwrap();
    bytes[head.end() as usize - 3] ^= 4;
    let verification = verify(&bytes).unwrap();
    let compared = verification.compared;
    let told: String = verification
        .problems
        .list()
        .iter()
        .map(|it| it.to_string().split(": CRC").next().unwrap_or_default().to_owned() + "\n")
        .collect();
    expected.assert_eq(&format!("{told}{compared:?}\n"));
}

#[test]
fn a_changed_byte_is_told_with_its_place_and_what_else_is_there_is_verified() {
    check(
        ChunkKind::Inputs,
        60,
        &expect![[r"
            chunk `inputs` at byte 456, ticks 50 to 100: its data are damaged
            Compared { ticks: 180, hashes: 19, keyframes: 3 }
        "]],
    );
    check(
        ChunkKind::Inputs,
        210,
        &expect![[r"
            chunk `inputs` at byte 1439, ticks 200 to 230: its data are damaged
            Compared { ticks: 200, hashes: 20, keyframes: 4 }
        "]],
    );
    check(
        ChunkKind::Keyframe,
        60,
        &expect![[r"
            chunk `keyframe` at byte 677, tick 100: its data are damaged
            Compared { ticks: 230, hashes: 24, keyframes: 3 }
        "]],
    );
    check(
        ChunkKind::Hashes,
        60,
        &expect![[r"
            chunk `hashes` at byte 592, ticks 60 to 100: its data are damaged
            Compared { ticks: 230, hashes: 19, keyframes: 4 }
        "]],
    );
    check(
        ChunkKind::Events,
        60,
        &expect![[r"
            chunk `events` at byte 1063, tick 150: its data are damaged
            Compared { ticks: 230, hashes: 24, keyframes: 4 }
        "]],
    );
}

#[test]
fn a_damaged_head_costs_no_more_than_the_ticks_to_the_next_keyframe() {
    let mut bytes = file(230);
    let head =
        *heads(&bytes).iter().find(|it| it.kind == ChunkKind::Inputs && it.from == 50).unwrap();
    bytes[head.offset as usize + 9] ^= 1;
    let verification = verify(&bytes).unwrap();
    assert_eq!(verification.compared.ticks, 230 - 50);
    assert_eq!(verification.proven_tick, Some(230));
    let told = verification.problems.list()[0].to_string();
    let expected = format!("byte {}, within ticks 50 to 100: its head is damaged", head.offset);
    assert!(told.starts_with(&expected), "{told}");
}

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    assert_eq!(verify(bytes).map(|it| format!("{:?}", it.problems)), Err(expected.to_owned()));
}

#[test]
fn what_is_no_replay_says_so() {
    refused(b"", "byte 0: ends after 0 of 8 bytes");
    refused(b"name: arena\n", "byte 0: does not start as a replay does");
    refused(&[0x50, 0x2a, 0x4d], "byte 0: ends after 3 of 8 bytes");
    let bytes = file(10);
    let other = [&bytes[..11], b"9", &bytes[12..]].concat();
    refused(&other, "byte 0: has format version 9, this build reads 1");
    let foreign = [&bytes[..8], b"XYZ1", &bytes[12..]].concat();
    refused(&foreign, "byte 0: does not start as a replay does");
    let long = [&bytes[..4], &[0xff; 4], &bytes[8..]].concat();
    refused(&long, "byte 0: has 4294967295 bytes in its header, at most 65544 are allowed");
}
