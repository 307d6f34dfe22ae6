//! A player's epoch: tokens below it are refused by every gateway within a second.
//!
//! The registry key lives a little longer than the longest access token, so nothing piles up: once
//! it is gone, so are the tokens it was about. New epochs are above all older ones, since they are
//! at least the time in seconds.

use std::sync::Arc;
use std::time::Duration;

use arena_instance::Mirror;
use arena_store::{Condition, Registry, StoreError, Transaction, TransactionOutcome};
use arena_types::PlayerId;
use arena_types::registry::{EPOCHS, epoch_key};

use crate::logic::ACCESS_TTL;

/// Beyond the life of a token: clocks that differ, and a token made just before.
const MARGIN: Duration = Duration::from_mins(1);
/// Two operators who ban one player at once; a third try sees both.
const TRIES: u32 = 3;

#[derive(Clone)]
pub(crate) struct Epochs {
    registry: Arc<dyn Registry>,
    mirror: Mirror,
}

impl Epochs {
    pub(crate) fn new(registry: Arc<dyn Registry>) -> Self {
        let mirror = Mirror::start(registry.clone(), EPOCHS);
        Self { registry, mirror }
    }

    /// Returns the epoch that a token made now carries.
    ///
    /// A copy that is a moment old gives an epoch that is too low, and a token that gateways refuse:
    /// never one that outlives a ban.
    pub(crate) fn of(&self, player: PlayerId) -> u64 {
        let entries = self.mirror.now();
        entries.get(&player.to_string()).and_then(|it| parse(it)).unwrap_or(0)
    }

    /// Makes every token of `player` that exists useless.
    pub(crate) async fn raise(&self, player: PlayerId, now_s: u64) -> Result<(), StoreError> {
        let key = epoch_key(player);
        for _ in 0..TRIES {
            let found = self.registry.get(&key).await?;
            let condition =
                found.as_ref().map_or(Condition::Absent, |it| Condition::WrittenAt(it.revision));
            let before = found.and_then(|it| parse(&it.value)).unwrap_or(0);
            let epoch = (before + 1).max(now_s).to_string();
            let lease = self.registry.grant_lease(ACCESS_TTL + MARGIN).await?;
            let write = Transaction::new().when(&key, condition).put_leased(&key, epoch, lease);
            match self.registry.transact(write).await? {
                TransactionOutcome::Committed { .. } => return Ok(()),
                TransactionOutcome::Refused { .. } => {}
            }
        }
        Err(StoreError::conflict(key))
    }
}

fn parse(value: &[u8]) -> Option<u64> {
    serde_json::from_slice(value).ok()
}
