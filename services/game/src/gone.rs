//! Records of matches that are over: the registry is no archive, the player store has their results.

use std::collections::VecDeque;
use std::time::Duration;

use arena_types::{Epoch, InstanceId, MatchId};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::moving::Records;

/// Matches whose record waits to be removed: ends of matches come a few a second.
pub(crate) const GONE_MAX: usize = 4_096;
/// Tries for one record; what is left then stays, and is of no harm.
const TRIES_MAX: u32 = 20;
/// Between two looks at what could not be removed.
const PAUSE: Duration = Duration::from_secs(1);

/// Removes the records of matches that were this instance's to the end.
pub(crate) async fn remove_records(
    records: Records,
    own: InstanceId,
    mut gone: mpsc::Receiver<(MatchId, Epoch)>,
) {
    let mut late = VecDeque::new();
    let mut period = interval(PAUSE);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = tokio::select! {
            ended = gone.recv() => match ended {
                Some((id, epoch)) => VecDeque::from([(id, epoch, 0)]),
                None => return,
            },
            _ = period.tick() => std::mem::take(&mut late),
        };
        for (id, epoch, tries) in due {
            let Err(error) = remove(&records, &own, id, epoch).await else { continue };
            if tries + 1 < TRIES_MAX && late.len() < GONE_MAX {
                late.push_back((id, epoch, tries + 1));
            } else {
                tracing::warn!(%id, %error, "the record of a match that is over stays");
            }
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
            records.remove(id, known.revision, []).await.map(drop)
        }
        _ => Ok(()),
    }
}
