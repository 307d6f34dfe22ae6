//! The records of the outbox file: results, and the word that they are recorded.
//!
//! A record is a length (u32, little-endian), the first eight bytes of the BLAKE3 hash of its body,
//! and the body: a kind byte and a message. A tail that was not written to its end is cut off.

use std::collections::BTreeMap;

use arena_wire::stats::v1::MatchResult;
use prost::Message as _;

const HEAD_LEN: usize = 12;
/// Bytes of a record's body: a result of sixteen long names is below 4 KiB.
const BODY_LEN_MAX: usize = 64 << 10;
const RESULT: u8 = 1;
const RECORDED: u8 = 2;

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    /// Results that are not known to be recorded, by match id.
    pub pending: BTreeMap<String, MatchResult>,
    /// Bytes up to the end of the last whole record.
    pub whole_len: usize,
    /// Bytes after it: torn by a crash.
    pub torn_len: usize,
}

/// Returns the record of a result.
#[must_use]
pub fn result(result: &MatchResult) -> Vec<u8> {
    record(RESULT, &result.encode_to_vec())
}

/// Returns the record that says that a match's result is recorded.
#[must_use]
pub fn recorded(match_id: &str) -> Vec<u8> {
    record(RECORDED, match_id.as_bytes())
}

/// Reads a file as far as it is whole; what follows a broken record is not looked at.
#[must_use]
pub fn replay(file: &[u8]) -> Replay {
    let mut replay = Replay::default();
    let mut rest = file;
    while let Some((body, after)) = split(rest) {
        if take(body, &mut replay.pending).is_none() {
            break;
        }
        rest = after;
    }
    replay.whole_len = file.len() - rest.len();
    replay.torn_len = rest.len();
    replay
}

fn record(kind: u8, message: &[u8]) -> Vec<u8> {
    let body = [&[kind], message].concat();
    let len = u32::try_from(body.len()).expect("results are small");
    let hash = blake3::hash(&body);
    [&len.to_le_bytes(), &hash.as_bytes()[..8], body.as_slice()].concat()
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_LEN)?;
    let (len, hash) = head.split_at(4);
    let len = u32::from_le_bytes(len.try_into().ok()?) as usize;
    if len > BODY_LEN_MAX {
        return None;
    }
    let (body, rest) = rest.split_at_checked(len)?;
    (blake3::hash(body).as_bytes()[..8] == *hash).then_some((body, rest))
}

fn take(body: &[u8], pending: &mut BTreeMap<String, MatchResult>) -> Option<()> {
    let (kind, message) = body.split_first()?;
    match *kind {
        RESULT => {
            let result = MatchResult::decode(message).ok()?;
            pending.insert(result.r#match.clone(), result);
        }
        RECORDED => {
            pending.remove(std::str::from_utf8(message).ok()?);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(id: &str) -> MatchResult {
        MatchResult { r#match: id.to_owned(), ticks: 7, ..MatchResult::default() }
    }

    fn file() -> Vec<u8> {
        [result(&of("a")), result(&of("b")), recorded("a"), result(&of("c"))].concat()
    }

    #[test]
    fn what_is_not_recorded_is_pending() {
        let replay = replay(&file());
        assert_eq!(replay.pending.keys().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!((replay.whole_len, replay.torn_len), (file().len(), 0));
    }

    #[test]
    fn a_file_torn_anywhere_keeps_what_was_whole() {
        let file = file();
        let ends: Vec<usize> =
            [result(&of("a")), result(&of("b")), recorded("a"), result(&of("c"))]
                .iter()
                .scan(0, |end, it| {
                    *end += it.len();
                    Some(*end)
                })
                .collect();
        for len in 0..=file.len() {
            let replay = replay(&file[..len]);
            let whole = ends.iter().copied().filter(|it| *it <= len).max().unwrap_or(0);
            assert_eq!((replay.whole_len, replay.torn_len), (whole, len - whole), "cut at {len}");
        }
    }

    proptest! {
        #[test]
        fn a_damaged_file_never_panics_and_keeps_its_start(
            at in any::<prop::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let mut file = file();
            let index = at.index(file.len());
            file[index] ^= 1 << bit;
            let replay = replay(&file);
            prop_assert!(replay.whole_len <= index);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let replay = replay(&bytes);
            prop_assert_eq!(replay.whole_len + replay.torn_len, bytes.len());
        }
    }
}
