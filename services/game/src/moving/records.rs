//! The registry's record of a match, changed by compare-and-swap.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arena_store::{
    Condition, Entry, Registry, Revision, StoreError, Transaction, TransactionOutcome,
};
use arena_types::{MATCHES, MatchId, MatchRecord, match_key};

/// The registry and the hot state answer within this, or nobody knows.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// A record with the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) record: MatchRecord,
    pub(crate) revision: Revision,
}

/// What became of a write.
#[derive(Debug)]
pub(crate) enum Write {
    /// It is done, by this commit.
    Committed(Revision),
    /// A condition did not hold; what the record is.
    Refused(Option<Known>),
    /// No answer, or none that says so.
    Unknown(String),
}

/// The records of matches.
#[derive(Clone)]
pub(crate) struct Records {
    registry: Arc<dyn Registry>,
}

impl Records {
    pub(crate) fn new(registry: Arc<dyn Registry>) -> Self {
        Self { registry }
    }

    /// Reads a record, linearizably.
    ///
    /// # Errors
    /// The registry's; [`StoreError::Corrupt`] if it is no record.
    pub(crate) async fn read(&self, id: MatchId) -> Result<Option<Known>, StoreError> {
        let found = bounded(self.registry.get(&match_key(id))).await?;
        found.map(|it| known(&it)).transpose()
    }

    /// Reads the records of all matches, linearizably; what is no record is told and left out: nobody can prove by it
    /// that a match is its own.
    ///
    /// # Errors
    /// The registry's.
    pub(crate) async fn list(&self) -> Result<HashMap<MatchId, MatchRecord>, StoreError> {
        let listing = bounded(self.registry.list(MATCHES)).await?;
        let parse = |it: &Entry| {
            let id = it.key.strip_prefix(MATCHES)?.parse().ok()?;
            let record = known(it).inspect_err(|error| {
                tracing::error!(%error, "a match is taken for another's: did a newer release write its record?");
            });
            Some((id, record.ok()?.record))
        };
        Ok(listing.entries.iter().filter_map(parse).collect())
    }

    /// Writes a record over the one of `before`, if `also` holds as well.
    pub(crate) async fn write(
        &self,
        id: MatchId,
        before: Revision,
        record: &MatchRecord,
        also: impl IntoIterator<Item = (String, Condition)>,
    ) -> Write {
        let value = serde_json::to_vec(record).expect("a record is plain data");
        let write = when(id, before, also).put(match_key(id), value);
        match bounded(self.registry.transact(write)).await {
            Ok(TransactionOutcome::Committed { revision }) => Write::Committed(revision),
            Ok(TransactionOutcome::Refused { found }) => {
                let entry = found.into_iter().next().flatten();
                match entry.map(|it| known(&it)).transpose() {
                    Ok(found) => Write::Refused(found),
                    Err(error) => Write::Unknown(error.to_string()),
                }
            }
            Err(error) => Write::Unknown(error.to_string()),
        }
    }

    /// Removes the record of `before`, if `also` holds as well; returns whether it did.
    ///
    /// # Errors
    /// The registry's.
    pub(crate) async fn remove(
        &self,
        id: MatchId,
        before: Revision,
        also: impl IntoIterator<Item = (String, Condition)>,
    ) -> Result<bool, StoreError> {
        let write = when(id, before, also).delete(match_key(id));
        let outcome = bounded(self.registry.transact(write)).await?;
        Ok(matches!(outcome, TransactionOutcome::Committed { .. }))
    }

    /// Whether a key is there now; `None` if the registry does not say.
    pub(crate) async fn is_there(&self, key: &str) -> Option<bool> {
        Some(bounded(self.registry.get(key)).await.ok()?.is_some())
    }
}

/// A write that needs the record of `before` as it is; the record is the first that is looked at.
fn when(
    id: MatchId,
    before: Revision,
    also: impl IntoIterator<Item = (String, Condition)>,
) -> Transaction {
    let write = Transaction::new().when(match_key(id), Condition::WrittenAt(before));
    also.into_iter().fold(write, |write, (key, condition)| write.when(key, condition))
}

/// Waits for a store no longer than it may take.
pub(crate) async fn bounded<T>(
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::unavailable(format!("no answer in {CALL_TIMEOUT:?}")));
    tokio::time::timeout(CALL_TIMEOUT, call).await.unwrap_or_else(late)
}

fn known(entry: &Entry) -> Result<Known, StoreError> {
    let record = serde_json::from_slice(&entry.value).map_err(|error| StoreError::Corrupt {
        what: entry.key.clone(),
        reason: error.to_string(),
    })?;
    Ok(Known { record, revision: entry.revision })
}
