//! Replays as a whole: written, read, damaged, played again.
use std::io::Cursor;

use crate::arena::ArenaMatch;
use crate::{Reader, Verification};

mod damage;
mod follow;
mod format;
mod games;
mod hostile;
mod play;
mod round;

pub(crate) fn open(bytes: &[u8]) -> Reader<Cursor<&[u8]>> {
    Reader::open(Cursor::new(bytes)).unwrap()
}

pub(crate) fn verify(bytes: &[u8]) -> Verification {
    crate::verify(open(bytes), ArenaMatch::on_cpu(), |_| ()).unwrap()
}

/// Returns the problems as a person reads them.
pub(crate) fn told(verification: &Verification) -> Vec<String> {
    verification.problems.list().iter().map(ToString::to_string).collect()
}
