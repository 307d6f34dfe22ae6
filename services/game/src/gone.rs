//! Records of matches that are over: the registry is no archive, the player store has their results.

use std::time::Duration;

use arena_types::{Epoch, InstanceId, MatchId};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::moving::Records;

/// Matches whose record waits to be removed: ends of matches come a few a second.
pub(crate) const GONE_MAX: usize = 4_096;
/// Tries for one record, and the pause between two; what is left then stays, and is of no harm.
const TRIES_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_secs(1);

/// Removes the records of matches that were this instance's to the end.
pub(crate) async fn remove_records(
    records: Records,
    own: InstanceId,
    mut gone: mpsc::Receiver<(MatchId, Epoch)>,
) {
    while let Some((id, epoch)) = gone.recv().await {
        let mut tries = 0;
        while let Err(error) = remove(&records, &own, id, epoch).await {
            tries += 1;
            if tries >= TRIES_MAX {
                tracing::warn!(%id, %error, "the record of a match that is over stays");
                break;
            }
            sleep(PAUSE).await;
        }
    }
}

async fn remove(
    records: &Records,
    own: &InstanceId,
    id: MatchId,
    epoch: Epoch,
) -> Result<(), arena_store::StoreError> {
    match records.read(id).await? {
        Some(known) if known.record.owner == *own && known.record.epoch == epoch => {
            records.remove(id, known.revision).await
        }
        _ => Ok(()),
    }
}
