//! What goes wrong with a store, by what the caller can do about it.

/// Why a store did not do what it was asked to.
///
/// It crosses the mesh, so it holds words and numbers only; an adapter logs its own cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was done. Ask again, with backoff.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What the adapter saw.
        reason: String,
    },
    /// The reply was lost: a write may have happened or not. Read before acting on either.
    #[error("the store did not answer, the write may have happened: {reason}")]
    Uncertain {
        /// What the adapter saw.
        reason: String,
    },
    /// Somebody else was first. Read again, decide again.
    #[error("`{what}` was changed by somebody else")]
    Conflict {
        /// The key, account or record.
        what: String,
    },
    /// There is no such thing, or no longer.
    #[error("`{what}` does not exist")]
    NotFound {
        /// The key, lease or record.
        what: String,
    },
    /// The request itself is wrong; asking again is useless.
    #[error("{field}: {reason}")]
    Invalid {
        /// The argument.
        field: String,
        /// The rule it breaks.
        reason: String,
    },
    /// The wanted part of the history was forgotten. List again, watch from the listing.
    #[error("revision {after} was compacted, the oldest to watch from is {oldest}")]
    Compacted {
        /// The revision asked for.
        after: u64,
        /// The oldest that can be asked for.
        oldest: u64,
    },
    /// The disk, or the size the store may grow to, is used up. Nothing was written.
    #[error("no space left for {what}")]
    Full {
        /// The file or table.
        what: String,
    },
    /// The stored bytes are damaged. Stop, restore from a backup.
    #[error("{what} is damaged: {reason}")]
    Corrupt {
        /// The file or record.
        what: String,
        /// What the check found.
        reason: String,
    },
    /// The store's policy does not let this caller do this.
    #[error("`{caller}` may not {action}")]
    Denied {
        /// The caller's identity.
        caller: String,
        /// What was asked for.
        action: String,
    },
}

impl StoreError {
    /// Builds [`Self::Unavailable`].
    #[must_use]
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }

    /// Builds [`Self::Conflict`].
    #[must_use]
    pub fn conflict(what: impl Into<String>) -> Self {
        Self::Conflict { what: what.into() }
    }

    /// Builds [`Self::NotFound`].
    #[must_use]
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// Builds [`Self::Invalid`].
    #[must_use]
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }

    /// Tells whether the same request can be sent again without reading first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Tells whether the store could not be reached in time, whatever became of the request.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Uncertain { .. })
    }

    /// One thing to do next, printed as `help: …`.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "ask again with backoff; `arenactl status` shows the store",
            Self::Uncertain { .. } => "read the record again before repeating the write",
            Self::Conflict { .. } => "read the record again and decide anew",
            Self::NotFound { .. } => "check the name; a lease ends when it is not kept alive",
            Self::Invalid { .. } => "correct the request; the limits are in arena_store::limits",
            Self::Compacted { .. } => "list the prefix again and watch from the listing's revision",
            Self::Full { .. } => "free space on the volume of the store's data folder, then retry",
            Self::Corrupt { .. } => "stop the store, restore its data folder from a backup",
            Self::Denied { .. } => "call the service that owns this data",
        }
    }
}
