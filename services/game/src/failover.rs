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

/// Returns the key of what an owner wrote down in its epoch.
fn journal_key(id: MatchId, epoch: Epoch) -> String {
    format!("{}/{epoch}", arena_types::match_key(id))
}
