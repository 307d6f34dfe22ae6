//! An owner whose lease ended, and who lives: before it confirms anything again it gives up what is another's.

use std::collections::HashMap;
use std::time::Duration;

use arena_types::{Epoch, InstanceId, MatchId, MatchRecord};
use arena_wire::game::v1::Match;
use tokio::time::sleep;

use super::takeover::Failover;
use crate::moving::Command;

/// Between two tries to find out what is still owned.
const RETRY: Duration = Duration::from_millis(50);

/// Opens the fence again after each end of the lease, once nothing is hosted that is another's.
pub(crate) async fn guard(failover: Failover) {
    let fence = failover.fence.clone();
    let mut lapses = fence.lapses();
    while lapses.changed().await.is_ok() {
        let lapse = *lapses.borrow_and_update();
        tracing::warn!(target: "audit", lapse, "the lease ended: nothing is confirmed until it is known what is owned");
        while !lapses.has_changed().unwrap_or(false) {
            if fence.is_leased() {
                // In this order: what begins to be hosted meanwhile is owned under the new lease.
                let hosted = failover.host.describe().await;
                match failover.records.list().await {
                    Ok(records) => {
                        yield_up(&failover, hosted, &records).await;
                        fence.confirm(lapse);
                        break;
                    }
                    Err(error) => tracing::warn!(%error, "it is not known yet what is owned"),
                }
            }
            sleep(RETRY).await;
        }
    }
}

/// Lets go of every match that the registry has as another's, or as nobody's.
async fn yield_up(
    failover: &Failover,
    hosted: Vec<Match>,
    records: &HashMap<MatchId, MatchRecord>,
) {
    for found in hosted {
        let Ok(id) = found.r#match.parse::<MatchId>() else { continue };
        let hosted = Epoch(found.epoch);
        let (owner, epoch): (InstanceId, Epoch) = match records.get(&id) {
            Some(it) if it.owner == failover.own.0 && it.epoch == hosted => continue,
            Some(it) => (it.owner.clone(), it.epoch),
            None if found.finished => continue, // its record was removed because it is over
            None => (failover.own.0.clone(), hosted.next().unwrap_or(hosted)),
        };
        tracing::warn!(target: "audit", %id, %owner, %epoch, "a match was taken over meanwhile");
        failover.figures.takeover_ended("yielded");
        failover.host.tell(id, Command::LetGo(owner, epoch)).await;
    }
}
