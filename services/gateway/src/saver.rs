//! Keeps a session's record in `HotState`: the latest wins, a store that is away is waited for.

use std::sync::Arc;
use std::time::Duration;

use arena_store::HotState;
use arena_types::SessionId;
use arena_wire::play::Code;
use bytes::Bytes;
use tokio::sync::watch;

use crate::logic::record::{Record, key};

/// A record outlives its session's socket by this; it is written again well before.
const LIFE: Duration = Duration::from_hours(1);
const REFRESH: Duration = Duration::from_mins(20);
/// Pause after a write that failed.
const RETRY: Duration = Duration::from_millis(250);
/// One call to the store may take this long.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an end of a session waits for its last record.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// Writes one session's record.
#[derive(Debug)]
pub struct Saver {
    wanted: watch::Sender<(u64, Option<Record>)>,
    written: watch::Receiver<u64>,
}

impl Saver {
    /// Starts with nothing to write. It ends, after its last write, when it is dropped.
    #[must_use]
    pub fn start(hot: Arc<dyn HotState>, session: SessionId) -> Self {
        let (wanted, record) = watch::channel((0, None));
        let (done, written) = watch::channel(0);
        tokio::spawn(keep(hot, key(session), record, done));
        Self { wanted, written }
    }

    /// Writes `record` soon; one that was not written yet is forgotten.
    pub fn save(&self, record: Record) {
        self.wanted.send_modify(|(number, it)| {
            *number += 1;
            *it = Some(record);
        });
    }

    /// Waits until the last record is written, a moment at most.
    pub async fn settle(&mut self) {
        let wanted = self.wanted.borrow().0;
        let settled = self.written.wait_for(|it| *it >= wanted);
        if !matches!(tokio::time::timeout(SETTLE_MAX, settled).await, Ok(Ok(_))) {
            tracing::warn!("a session's record is not written yet");
        }
    }
}

async fn keep(
    hot: Arc<dyn HotState>,
    key: String,
    mut record: watch::Receiver<(u64, Option<Record>)>,
    done: watch::Sender<u64>,
) {
    loop {
        let (number, wanted) = record.borrow_and_update().clone();
        if let Some(wanted) = wanted {
            let value = Bytes::from(serde_json::to_vec(&wanted).expect("a record is plain data"));
            let write = tokio::time::timeout(CALL_TIMEOUT, hot.set(&key, value, Some(LIFE))).await;
            if matches!(write, Ok(Ok(_))) {
                done.send_replace(number);
            } else {
                tracing::warn!(%key, ?write, "a session's record was not written, it is tried again");
                tokio::time::sleep(RETRY).await;
                if record.has_changed().is_err() {
                    return; // the session is over; its record of before stands
                }
                record.mark_changed();
            }
        }
        tokio::select! {
            changed = record.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(REFRESH) => {}
        }
    }
}

/// Reads a session's record.
///
/// # Errors
/// [`Code::ResumeExpired`] if there is none, [`Code::Overloaded`] if the store does not answer: the
/// client comes again.
pub async fn load(hot: &dyn HotState, session: SessionId) -> Result<Record, Code> {
    let key = key(session);
    match tokio::time::timeout(CALL_TIMEOUT, hot.get(&key)).await {
        Ok(Ok(Some(found))) => serde_json::from_slice(&found.value).map_err(|error| {
            tracing::warn!(%key, %error, "a session's record cannot be read");
            Code::ResumeExpired
        }),
        Ok(Ok(None)) => Err(Code::ResumeExpired),
        failed => {
            tracing::warn!(%key, ?failed, "a session's record was not read");
            Err(Code::Overloaded)
        }
    }
}
