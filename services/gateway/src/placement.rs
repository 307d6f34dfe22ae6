//! Where a match is: the registry's record of its owner and epoch.

use std::sync::Arc;
use std::time::Duration;

use arena_store::Registry;
use arena_types::{MatchId, MatchRecord, match_key};
use tokio::sync::mpsc;

use crate::logic::session::{Event, Placement};

/// A read of the registry may take this long.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// Looks matches up; cheap to clone.
#[derive(Clone)]
pub struct Placements {
    registry: Arc<dyn Registry>,
}

impl Placements {
    /// Reads `registry`.
    #[must_use]
    pub fn new(registry: Arc<dyn Registry>) -> Self {
        Self { registry }
    }

    /// Looks for a match's owner and reports it; a registry that does not answer is a refusal, so
    /// that the session tries again.
    pub async fn locate(self, match_id: MatchId, events: mpsc::Sender<Event>) {
        let key = match_key(match_id);
        let read = tokio::time::timeout(CALL_TIMEOUT, self.registry.get(&key)).await;
        let event = match read {
            Ok(Ok(found)) => {
                let record = found.map(|it| serde_json::from_slice::<MatchRecord>(&it.value));
                match record.transpose() {
                    Ok(record) => Event::Placement(match_id, record.map(placement)),
                    Err(error) => {
                        tracing::error!(%key, %error, "a match's record cannot be read");
                        Event::Placement(match_id, None)
                    }
                }
            }
            failed => {
                tracing::warn!(%key, ?failed, "the registry does not say where a match is");
                Event::NotLocated
            }
        };
        let _ = events.send(event).await; // the session may have ended meanwhile
    }
}

fn placement(record: MatchRecord) -> Placement {
    let MatchRecord { owner, epoch, release, .. } = record;
    Placement { owner, epoch, release }
}
