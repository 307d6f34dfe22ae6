//! The registry: small, linearizable, watched. etcd's data model, so that etcd can be one.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::StoreError;
use crate::limits::{CHANGES_MAX, COMPARES_MAX, LEASE_TTL_MAX, LEASE_TTL_MIN, WRITE_BYTES_MAX};
use crate::{check_key, check_value};

/// Counts the commits of a registry, from 1; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lease {:x}", self.0)
    }
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// The commit that wrote this value.
    pub revision: Revision,
    /// The lease it vanishes with.
    pub lease: Option<LeaseId>,
}

/// All entries below a prefix, at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The entries, by key.
    pub entries: Vec<Entry>,
    /// The registry's revision when they were read; watch after it to miss nothing.
    pub revision: Revision,
}

/// What must hold for a transaction to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The key.
    pub key: String,
    /// Its condition.
    pub condition: Condition,
}

/// A condition on one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The key does not exist.
    Absent,
    /// The key exists.
    Present,
    /// The key exists and its value was written by this commit.
    WrittenAt(Revision),
}

/// What a transaction does to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes the value and ties it to the lease, or to none.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: Bytes,
        /// The lease it vanishes with.
        lease: Option<LeaseId>,
    },
    /// Removes the key; nothing happens if there is none.
    Delete {
        /// The key.
        key: String,
    },
}

impl Change {
    /// Returns the key it changes.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// Conditions and changes, all or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// All must hold.
    pub compares: Vec<Compare>,
    /// All are made, each key at most once.
    pub changes: Vec<Change>,
}

impl Transaction {
    /// Starts an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, key: impl Into<String>, condition: Condition) -> Self {
        self.compares.push(Compare { key: key.into(), condition });
        self
    }

    /// Adds a write that stays until it is overwritten or deleted.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.changes.push(Change::Put { key: key.into(), value: value.into(), lease: None });
        self
    }

    /// Adds a write that vanishes with `lease`.
    #[must_use]
    pub fn put_leased(
        mut self,
        key: impl Into<String>,
        value: impl Into<Bytes>,
        lease: LeaseId,
    ) -> Self {
        let lease = Some(lease);
        self.changes.push(Change::Put { key: key.into(), value: value.into(), lease });
        self
    }

    /// Adds a removal.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.changes.push(Change::Delete { key: key.into() });
        self
    }

    /// Checks sizes, keys and that no key is changed twice.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] with the rule it breaks.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.compares.len() > COMPARES_MAX || self.changes.len() > CHANGES_MAX {
            let reason = format!("at most {COMPARES_MAX} compares and {CHANGES_MAX} changes");
            return Err(StoreError::invalid("transaction", reason));
        }
        for compare in &self.compares {
            check_key(&compare.key)?;
        }
        let mut bytes = 0;
        for (index, change) in self.changes.iter().enumerate() {
            check_key(change.key())?;
            if let Change::Put { value, .. } = change {
                check_value(value)?;
                bytes += value.len();
            }
            if self.changes[..index].iter().any(|it| it.key() == change.key()) {
                let reason = format!("`{}` is changed twice", change.key());
                return Err(StoreError::invalid("transaction", reason));
            }
        }
        if bytes > WRITE_BYTES_MAX {
            let reason = format!("its values have {bytes} bytes, at most {WRITE_BYTES_MAX}");
            return Err(StoreError::invalid("transaction", reason));
        }
        Ok(())
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// All conditions held, all changes are made.
    Committed {
        /// The commit; the registry's revision is unchanged if there was nothing to change.
        revision: Revision,
    },
    /// A condition did not hold; nothing changed.
    Refused {
        /// What each compared key holds, in the order of the compares.
        found: Vec<Option<Entry>>,
    },
}

impl TransactionOutcome {
    /// Returns the commit, or `None` if it was refused.
    #[must_use]
    pub fn revision(&self) -> Option<Revision> {
        match self {
            Self::Committed { revision } => Some(*revision),
            Self::Refused { .. } => None,
        }
    }
}

/// What happened to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was written.
    Put(Entry),
    /// It was removed, by a delete or with its lease.
    Delete {
        /// The key.
        key: String,
    },
}

impl Event {
    /// Returns the key it happened to.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Delete { key } => key,
        }
    }
}

/// Everything one commit did below the watched prefix; never a part of it.
///
/// Without events it only tells how far the watch has come, so that it can be resumed from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The commit.
    pub revision: Revision,
    /// What it did, by key.
    pub events: Vec<Event>,
}

/// Commits in order, without gaps; ends after the first error.
///
/// [`StoreError::Compacted`]: list again. [`StoreError::Unavailable`]: watch again after the last
/// revision received.
pub type Watch = BoxStream<'static, Result<Changes, StoreError>>;

/// Key → value, with leases, transactions and watches. Every read sees every write that was
/// answered before the read began (linearizable).
///
/// # Errors
/// All methods: [`StoreError::Unavailable`], [`StoreError::Uncertain`] (writes),
/// [`StoreError::Invalid`] beyond [`limits`](crate::limits), [`StoreError::Full`],
/// [`StoreError::Corrupt`], [`StoreError::Denied`]; others where they are named.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Reads one key.
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError>;

    /// Reads all keys that start with `prefix`, at one revision.
    async fn list(&self, prefix: &str) -> Result<Listing, StoreError>;

    /// Checks and changes several keys at once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if a lease does not exist or has ended; nothing changed then.
    async fn transact(&self, transaction: Transaction) -> Result<TransactionOutcome, StoreError>;

    /// Starts a lease. `ttl` is within [`LEASE_TTL_MIN`] and [`LEASE_TTL_MAX`].
    ///
    /// A restart of the registry gives every lease its full `ttl` again.
    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, StoreError>;

    /// Restarts the lease's time to live, and returns it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the lease does not exist or has ended: its keys are gone.
    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, StoreError>;

    /// Ends a lease and removes its keys in one commit. Ending one that is gone is no error.
    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Watches all keys that start with `prefix`, from the first commit after `after`.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] here or as the stream's last item.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError>;

    /// Writes one key, whatever it held.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the lease does not exist or has ended.
    async fn put(
        &self,
        key: &str,
        value: Bytes,
        lease: Option<LeaseId>,
    ) -> Result<Revision, StoreError> {
        let change = Change::Put { key: key.to_owned(), value, lease };
        let transaction = Transaction { compares: Vec::new(), changes: vec![change] };
        committed(&self.transact(transaction).await?)
    }

    /// Removes one key, whatever it held.
    async fn delete(&self, key: &str) -> Result<Revision, StoreError> {
        committed(&self.transact(Transaction::new().delete(key)).await?)
    }
}

fn committed(outcome: &TransactionOutcome) -> Result<Revision, StoreError> {
    outcome.revision().ok_or_else(|| StoreError::Corrupt {
        what: "registry".to_owned(),
        reason: "a transaction without conditions was refused".to_owned(),
    })
}

/// Checks a lease's time to live.
///
/// # Errors
/// [`StoreError::Invalid`] outside [`LEASE_TTL_MIN`] to [`LEASE_TTL_MAX`].
pub fn check_lease_ttl(ttl: Duration) -> Result<(), StoreError> {
    if ttl < LEASE_TTL_MIN || ttl > LEASE_TTL_MAX {
        let reason = format!("{ttl:?} is not within {LEASE_TTL_MIN:?} to {LEASE_TTL_MAX:?}");
        return Err(StoreError::invalid("ttl", reason));
    }
    Ok(())
}
