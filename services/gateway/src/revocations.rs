//! Which access tokens were taken back: a player's epoch in the registry outranks the token's.

use std::collections::HashMap;
use std::sync::Arc;

use arena_types::PlayerId;
use tokio::sync::watch;

/// The least epoch that a player's tokens must have; clones share it.
#[derive(Clone, Debug)]
pub struct Revocations {
    epochs: watch::Receiver<Arc<HashMap<PlayerId, u64>>>,
}

impl Revocations {
    /// Follows `epochs`; a player without an entry has epoch 0.
    #[must_use]
    pub fn new(epochs: watch::Receiver<Arc<HashMap<PlayerId, u64>>>) -> Self {
        Self { epochs }
    }

    /// Whether a token of `player` with this epoch is worth nothing any more.
    #[must_use]
    pub fn covers(&self, player: PlayerId, epoch: u64) -> bool {
        self.epochs.borrow().get(&player).is_some_and(|least| epoch < *least)
    }

    /// Waits until something was taken back since the last call; the first table counts, too.
    pub async fn changed(&mut self) {
        if self.epochs.changed().await.is_err() {
            std::future::pending::<()>().await; // nobody will take anything back
        }
    }

    /// Waits until a token of `player` with this epoch is worth nothing.
    pub async fn cover(mut self, player: PlayerId, epoch: u64) {
        let covers =
            |it: &Arc<HashMap<PlayerId, u64>>| it.get(&player).is_some_and(|it| epoch < *it);
        if self.epochs.wait_for(covers).await.is_err() {
            std::future::pending::<()>().await; // nobody will take anything back
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_epoch_takes_older_tokens_back() {
        let player = PlayerId::from_u64;
        let (_sender, epochs) = watch::channel(Arc::new(HashMap::from([(player(1), 3)])));
        let revocations = Revocations::new(epochs);
        for (id, epoch, covered) in [(1, 2, true), (1, 3, false), (1, 4, false), (2, 0, false)] {
            assert_eq!(revocations.covers(player(id), epoch), covered, "{id} {epoch}");
        }
    }
}
