//! What other instances did with tickets: the registry tells.

use std::sync::Arc;
use std::time::Duration;

use arena_store::{Event, Registry, StoreError};
use arena_types::TicketId;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::desk::Command;
use crate::records::{TICKETS, TicketRecord, parse};

/// Pause before a broken watch is opened again. What was missed is noticed when a match with such a
/// ticket is recorded, and refused.
const PAUSE: Duration = Duration::from_millis(250);
/// A prefix that no ticket has: listing it costs nothing and tells the registry's revision.
const NONE: &str = "ticket/-";

/// Tells the desk what becomes of tickets, until it is gone.
pub(crate) async fn listen(registry: Arc<dyn Registry>, desk: mpsc::Sender<Command>) {
    while !desk.is_closed() {
        let Err(error) = follow(&*registry, &desk).await else { return };
        tracing::debug!(%error, "the tickets of other instances are not heard of");
        sleep(PAUSE).await;
    }
}

/// Returns once the desk is gone.
async fn follow(registry: &dyn Registry, desk: &mpsc::Sender<Command>) -> Result<(), StoreError> {
    let now = registry.list(NONE).await?.revision;
    let mut changes = registry.watch(TICKETS, now).await?;
    while let Some(commit) = changes.next().await {
        for event in commit?.events {
            let Some((id, record)) = heard(&event) else { continue };
            if desk.send(Command::Hear(id, record)).await.is_err() {
                return Ok(());
            }
        }
    }
    Err(StoreError::unavailable("the watch ended"))
}

fn heard(event: &Event) -> Option<(TicketId, TicketRecord)> {
    let Event::Put(entry) = event else { return None };
    let id = entry.key.strip_prefix(TICKETS)?.parse().ok()?;
    Some((id, parse(&entry.key, &entry.value).ok()?))
}
