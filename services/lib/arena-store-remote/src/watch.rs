//! A watch that survives reconnections: it goes on after the last revision it has given out.

use std::time::Duration;

use arena_mesh::Channel;
use arena_store::{Changes, Revision, StoreError, Watch};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::registry_client::RegistryClient;
use futures::stream;
use tokio::time::timeout;
use tonic::Streaming;

use crate::call::{DEADLINE, Effect, fault};
use crate::wire::Wire;

/// The store says something on every watch this often, if only that there is nothing new.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// A watch that is silent for so long is opened again: three heartbeats lost.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Waits between tries to open a watch again; the longest is below a player's patience.
const RETRY_AFTER: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
];

/// Opens a watch; returns when it stands.
pub(crate) async fn open(
    client: RegistryClient<Channel>,
    prefix: &str,
    after: Revision,
) -> Result<Watch, StoreError> {
    let mut state = State { client, prefix: prefix.to_owned(), last: after, live: None };
    state.connect().await?;
    Ok(Box::pin(stream::try_unfold(state, |mut state| async move {
        let changes = state.next().await?;
        Ok(Some((changes, state)))
    })))
}

struct State {
    client: RegistryClient<Channel>,
    prefix: String,
    /// Everything up to here was given out.
    last: Revision,
    live: Option<Streaming<pb::Commit>>,
}

impl State {
    /// Opens the stream after `last`, and waits for its first message.
    async fn connect(&mut self) -> Result<(), StoreError> {
        let request = pb::WatchRequest { prefix: self.prefix.clone(), after: self.last.0 };
        let opening = async {
            let mut live = self.client.watch(request).await?.into_inner();
            live.message().await?;
            Ok(live)
        };
        let opened = timeout(DEADLINE, opening).await;
        let opened = opened.unwrap_or_else(|_| Err(tonic::Status::unavailable("no answer")));
        self.live = Some(opened.map_err(|status| fault(&status, Effect::None))?);
        Ok(())
    }

    /// Returns the next commit or heartbeat, however many reconnections it takes.
    async fn next(&mut self) -> Result<Changes, StoreError> {
        let mut tries = 0;
        loop {
            if let Some(live) = &mut self.live {
                match timeout(SILENCE_MAX, live.message()).await {
                    Ok(Ok(Some(commit))) => {
                        let changes = Changes::from_wire(commit)?;
                        self.last = self.last.max(changes.revision);
                        return Ok(changes);
                    }
                    Ok(Err(status)) => give_up(fault(&status, Effect::None))?,
                    Ok(Ok(None)) | Err(_) => {}
                }
                self.live = None;
                tracing::debug!(prefix = self.prefix, after = %self.last, "a watch is opened again");
            }
            if tries > 0 {
                tokio::time::sleep(RETRY_AFTER[(tries - 1).min(RETRY_AFTER.len() - 1)]).await;
            }
            tries += 1;
            if let Err(error) = self.connect().await {
                give_up(error)?;
            }
        }
    }
}

/// Ends the watch on errors that no reconnection cures.
fn give_up(error: StoreError) -> Result<(), StoreError> {
    if error.is_outage() { Ok(()) } else { Err(error) }
}
