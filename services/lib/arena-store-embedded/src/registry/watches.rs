//! Watches: live from the writer, and from the events table whenever they are behind.

use std::collections::VecDeque;
use std::sync::Arc;

use arena_store::{Changes, Revision, StoreError, Watch};
use futures::stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::rows;
use crate::database::Database;

/// Commits a slow watch may lag before it reads the table instead.
const LIVE_COMMITS_MAX: usize = 1024;
/// Commits read from the table at once.
const PAGE_COMMITS: u64 = 256;
/// A watch whose prefix is quiet still tells how far it has come this often, in commits, so that
/// it can be resumed before the events are compacted.
const PROGRESS_EVERY: u64 = 1_000;

/// What the writer tells watches.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    live: broadcast::Sender<Arc<Changes>>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { live: broadcast::Sender::new(LIVE_COMMITS_MAX) }
    }

    /// Tells all watches of a commit. Called in the order of the commits.
    pub(super) fn publish(&self, changes: Option<&Changes>) {
        if let Some(changes) = changes {
            // An error only says that nobody watches.
            let _ = self.live.send(Arc::new(changes.clone()));
        }
    }

    pub(super) async fn watch(
        &self,
        database: Arc<Database>,
        prefix: &str,
        after: Revision,
    ) -> Result<Watch, StoreError> {
        let mut state = State {
            live: self.live.subscribe(), // before the table is read, so that nothing falls between
            database,
            prefix: prefix.to_owned(),
            last: after,
            told: after,
            ready: VecDeque::new(),
            is_behind: true,
        };
        state.catch_up().await?;
        Ok(Box::pin(stream::try_unfold(state, |mut state| async move {
            let changes = state.next().await?;
            Ok(Some((changes, state)))
        })))
    }
}

struct State {
    live: broadcast::Receiver<Arc<Changes>>,
    database: Arc<Database>,
    prefix: String,
    /// Everything up to here is told or in `ready`.
    last: Revision,
    /// The last revision the watcher was told.
    told: Revision,
    ready: VecDeque<Changes>,
    is_behind: bool,
}

impl State {
    async fn next(&mut self) -> Result<Changes, StoreError> {
        loop {
            if let Some(changes) = self.ready.pop_front() {
                self.told = changes.revision;
                return Ok(changes);
            }
            if self.last.0 - self.told.0 >= PROGRESS_EVERY {
                self.told = self.last;
                return Ok(Changes { revision: self.last, events: Vec::new() });
            }
            if self.is_behind {
                self.catch_up().await?;
            } else {
                self.follow().await?;
            }
        }
    }

    /// Reads one page of the table.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let database = &self.database;
        let mut reader = database.read(database.readers.begin().await)?;
        let marks = database.read(rows::marks(&mut reader).await)?;
        if self.last < marks.compacted || self.last > marks.revision {
            // A revision of the future is one of another past: the files were restored.
            let oldest = marks.compacted.0;
            return Err(StoreError::Compacted { after: self.last.0, oldest });
        }
        let through = Revision(marks.revision.0.min(self.last.0 + PAGE_COMMITS));
        let page = rows::commits(&mut reader, &self.prefix, self.last, through).await;
        self.ready.extend(database.read(page)?);
        self.last = through;
        self.is_behind = through < marks.revision;
        Ok(())
    }

    /// Waits for the next commit.
    async fn follow(&mut self) -> Result<(), StoreError> {
        match self.live.recv().await {
            Ok(changes) if changes.revision <= self.last => {}
            Ok(changes) if changes.revision.0 == self.last.0 + 1 => {
                self.last = changes.revision;
                self.ready.extend(below(&changes, &self.prefix));
            }
            Ok(_) | Err(RecvError::Lagged(_)) => self.is_behind = true,
            Err(RecvError::Closed) => return Err(StoreError::unavailable("the store is closing")),
        }
        Ok(())
    }
}

/// What a commit did below a prefix, if anything.
fn below(changes: &Changes, prefix: &str) -> Option<Changes> {
    let events = changes.events.iter().filter(|it| it.key().starts_with(prefix));
    let events: Vec<_> = events.cloned().collect();
    (!events.is_empty()).then_some(Changes { revision: changes.revision, events })
}
