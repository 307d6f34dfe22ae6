//! Replays whose parts were changed, with checksums that went along.
use std::cell::RefCell;
use std::fmt::Debug;
use std::io::Cursor;

use super::Choices;
use super::draft::{Base, Draft};
use crate::testing::{Game, Sums};
use crate::{Playback, Reader, Simulation, cut, verify};

/// Changes of one replay at most.
const CHANGES_MAX: usize = 24;

thread_local! {
    /// One place for all runs: its memory is allocated once.
    static GAME: RefCell<Game> = RefCell::new(Game::on_cpu());
}

/// Whatever was changed, verification ends without a panic, and a part cut out of what verifies does too.
///
/// The first byte chooses the game, the others are changes.
pub(super) fn run(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let base = match choices.byte() {
        Some(byte) if byte % 2 == 1 => Base::Arena,
        _ => Base::Sums,
    };
    let mut draft = Draft::of(base);
    let _ = (0..CHANGES_MAX).try_for_each(|_| draft.change(&mut choices));
    let file = draft.finish();
    match base {
        Base::Sums => check(&file, &mut Sums::default()),
        Base::Arena => GAME.with_borrow_mut(|game| check(&file, game)),
    }
}

fn check<S: Simulation<Error: Debug>>(file: &[u8], game: &mut S) {
    let Ok(reader) = Reader::open(Cursor::new(file)) else { return };
    let (first, last) = (reader.header().first_tick, reader.last_tick());
    let Ok(verification) = verify(reader, &mut *game, |_| ()) else { return };
    let reader = Reader::open(Cursor::new(file)).expect("it opened before");
    let Ok(mut playback) = Playback::new(reader, &mut *game) else { return };
    let (from, to) =
        (first + last.saturating_sub(first) / 3, last - last.saturating_sub(first) / 4);
    let mut part = Vec::new();
    let made = cut(&mut playback, (Some(from), Some(to)), &mut part);
    drop(playback);
    if verification.is_true() {
        made.expect("what verifies can be cut");
    } else if made.is_err() {
        return;
    }
    let reader = Reader::open(Cursor::new(part.as_slice())).expect("a part is a replay");
    let verification = verify(reader, game, |_| ()).expect("the same game plays it");
    assert!(verification.is_true(), "a part that could be cut verifies: {verification:?}");
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let one_of_each = (0..16u8).flat_map(|kind| {
        let change = [kind, 3, 5, 9, 0x21, 7, 2, 1];
        [[&[0u8][..], &change].concat(), [&[1u8][..], &change, &change].concat()]
    });
    // A footer of too few ticks, whose outcome was cut out unseen.
    let few_ticks =
        [0, 1, 0, 0x50, 0, 0, 0, 0, 0, 0, 0xf6, 7, 0xec, 0x30, 0xec, 0xec, 0xec, 0x2e, 2, 1];
    let lost_chunk = [0, 6, 3, 9, 0x21, 7, 2, 1, 0, 6, 3, 5];
    let found = [few_ticks.to_vec(), lost_chunk.to_vec()];
    one_of_each.chain([vec![0], vec![1]]).chain(found).collect()
}
