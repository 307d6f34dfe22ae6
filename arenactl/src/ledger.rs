//! What a region remembers: releases, revisions, the journal and the lock; one trait, one implementation a
//! kind of cluster.

pub mod file;
pub mod swarm;

#[cfg(test)]
mod conformance;

use std::collections::BTreeSet;
use std::path::PathBuf;

use arena_types::ReleaseId;
use arenactl_planning::release::Release;
use async_trait::async_trait;

use crate::durable;
use crate::history::{History, Revision, RevisionStatus};
use crate::journal::{Steering, Step};
use crate::lock::{Holder, Lock, LockError, LockView};
use crate::swarm::SwarmError;
pub use file::FileLedger;
pub use swarm::SwarmLedger;

/// Where a region's releases, revisions, journal and lock are kept. What was answered survives a crash.
#[async_trait(?Send)]
pub trait Ledger {
    /// Makes sure that what is written from now on stays: a region begins with its first lock.
    async fn keep(&mut self) -> Result<(), LedgerError>;

    /// Returns who holds the lock and the version of that, which every sign of life changes.
    async fn lock_row(&mut self) -> Result<LockRow, LedgerError>;

    /// Takes the lock if its version is still `version`.
    async fn take(&mut self, version: u64, holder: &Holder) -> Result<Option<Lock>, LedgerError>;

    /// Changes the lock's version: a sign of life, and the fence before every effect.
    ///
    /// # Errors
    /// [`LockError::Lost`] if the lock is another's by now.
    async fn beat(&mut self, lock: &Lock) -> Result<(), LockError>;

    /// Releases the lock; releasing a lost one changes nothing.
    async fn release_lock(&mut self, lock: &Lock) -> Result<(), LedgerError>;

    /// Removes the lock whoever holds it; that one is fenced from here on.
    async fn break_lock(&mut self) -> Result<(), LedgerError>;

    /// Writes a step of rollout `id`, provided the lock is still ours: both at once or neither.
    ///
    /// # Errors
    /// [`LockError::Lost`] if the lock is another's; the step does not count then.
    async fn record(&mut self, lock: &Lock, id: &str, step: &Step) -> Result<(), LockError>;

    /// Returns every step of a rollout, oldest first.
    async fn steps(&mut self, id: &str) -> Result<Vec<Step>, LedgerError>;

    /// Leaves a request for whoever drives the rollout.
    async fn steer(&mut self, request: &Steering) -> Result<(), LedgerError>;

    /// Takes the oldest request that somebody left.
    async fn take_steering(&mut self) -> Result<Option<Steering>, LedgerError>;

    /// Forgets requests that were meant for a rollout that is over.
    async fn clear_steering(&mut self) -> Result<(), LedgerError>;

    /// Reads releases and revisions.
    async fn history(&mut self) -> Result<History, LedgerError>;

    /// Appends a revision and, unless it is known, its release: both or neither counts.
    async fn open_revision(
        &mut self,
        revision: &Revision,
        release: &Release,
    ) -> Result<(), LedgerError>;

    /// Writes how a revision ended.
    async fn close_revision(
        &mut self,
        number: u32,
        status: RevisionStatus,
        note: &str,
        at_ms: u64,
    ) -> Result<(), LedgerError>;

    /// Forgets what takes room and nobody needs: releases that are not `kept`, journals of rollouts that are
    /// over.
    async fn forget(&mut self, kept: &BTreeSet<ReleaseId>) -> Result<(), LedgerError>;

    /// Returns the last step of a rollout.
    async fn last_step(&mut self, id: &str) -> Result<Option<Step>, LedgerError> {
        Ok(self.steps(id).await?.pop())
    }

    /// Returns who holds the lock.
    async fn lock_view(&mut self) -> Result<Option<LockView>, LedgerError> {
        Ok(self.lock_row().await?.view)
    }
}

/// The lock as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRow {
    /// Changes with every sign of life and every change of holder.
    pub version: u64,
    /// Who holds it, if anybody does.
    pub view: Option<LockView>,
}

/// Why a ledger could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file is damaged or no database.
    #[error("`{}` is corrupt", path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// The driver's answer.
        source: sqlx::Error,
    },
    /// The disk is full; the transaction left nothing.
    #[error("no space left to write `{}`, nothing was changed there", path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// A newer arenactl wrote it.
    #[error("`{}` has version {found}, this arenactl knows {known}", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest one that can be read here.
        known: i64,
    },
    /// A row does not parse.
    #[error("a row of table `{table}` in `{}` does not parse", path.display())]
    Row {
        /// The database.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// The parser's answer.
        source: serde_json::Error,
    },
    /// Another arenactl wrote the journal of the open rollout.
    #[error("the journal of the rollout is of version {found}, this arenactl knows {known}")]
    Journal {
        /// Its version.
        found: u64,
        /// The newest one that can be read here.
        known: u32,
    },
    /// Anything else.
    #[error("cannot use `{}`", path.display())]
    Other {
        /// The database.
        path: PathBuf,
        /// The driver's answer.
        source: sqlx::Error,
    },
    /// The swarm that keeps it failed.
    #[error("cannot use the ledger in the swarm")]
    Swarm(#[source] SwarmError),
    /// Its folder could not be made.
    #[error(transparent)]
    Folder(#[from] durable::FileError),
}

impl LedgerError {
    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Corrupt { path, .. } | Self::Row { path, .. } => format!(
                "restore `{0}` from a backup, or move it away (`mv {0} {0}.corrupt`): running instances \
                 stay and are found again, history and rollback targets are lost",
                path.display()
            ),
            Self::Full { path } => format!(
                "free space on the disk of `{}`, then run the command again, or `arenactl resume` if a rollout \
                 is open",
                path.parent().unwrap_or(path).display()
            ),
            Self::Newer { .. } => "use the arenactl that wrote it, or a newer one".to_owned(),
            Self::Journal { .. } => {
                "end the rollout with the arenactl that began it: `arenactl resume`, or `arenactl abort`"
                    .to_owned()
            }
            Self::Other { path, .. } => {
                format!("check that `{}` is yours and writable", path.display())
            }
            Self::Swarm(error) => error.help(),
            Self::Folder(error) => error.help(),
        }
    }
}

impl From<SwarmError> for LedgerError {
    fn from(error: SwarmError) -> Self {
        Self::Swarm(error)
    }
}
