//! Matches whose owner died: the side that waits. `logic::failover` decides, `logic::shard` plays again,
//! the registry says who owns what. docs/failover.md tells the whole story.

mod guard;
mod journal;
mod takeover;
mod watch;

pub(crate) use guard::guard;
pub(crate) use journal::{Journal, JournalParts};
pub(crate) use takeover::Failover;
pub(crate) use watch::{reclaim, watch};

use arena_types::{Epoch, MatchId};

/// Epochs before the last one whose journals are looked at: an owner that died before its first snapshot leaves that
/// of the owner before.
const EPOCHS_BACK: u32 = 2;

/// Returns the epochs whose journals tell of a match that was last owned in `last`, newest first.
fn epochs_read(last: Epoch) -> impl Iterator<Item = Epoch> {
    (0..=EPOCHS_BACK)
        .filter_map(move |back| last.0.checked_sub(back))
        .filter(|it| *it > 0)
        .map(Epoch)
}

/// Returns the key of what an owner wrote down in its epoch.
fn journal_key(id: MatchId, epoch: Epoch) -> String {
    format!("{}/{epoch}", arena_types::match_key(id))
}
