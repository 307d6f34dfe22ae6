//! A region's `SQLite` file: releases, revisions, the journal and the lock.
//!
//! `lock.rs`, `journal.rs` and `history.rs` each own their tables; this file opens the database. WAL with
//! `synchronous = FULL`: what was answered survives a power cut.

mod history;
mod journal;
mod lock;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arena_types::ReleaseId;
use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::durable;
use crate::history::{History, Revision, RevisionStatus};
use crate::journal::{Steering, Step};
use crate::ledger::{Ledger, LedgerError, LockRow};
use crate::lock::{Holder, Lock, LockError};
use arenactl_planning::release::Release;

/// Another arenactl holds the file for one small transaction at a time; this is ample.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Version of the tables below, in `PRAGMA user_version`.
const SCHEMA_VERSION: i64 = 1;
/// `SQLite`'s result codes (<https://www.sqlite.org/rescode.html>).
const SQLITE_IOERR: &str = "10";
const SQLITE_CORRUPT: &str = "11";
const SQLITE_FULL: &str = "13";
const SQLITE_NOTADB: &str = "26";

const SCHEMA: &str = "
CREATE TABLE release (
    id          TEXT PRIMARY KEY,
    number      INTEGER NOT NULL UNIQUE,
    body        TEXT NOT NULL
) STRICT;
CREATE TABLE revision (
    number      INTEGER PRIMARY KEY,
    release     TEXT NOT NULL REFERENCES release (id),
    rollout     TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    strategy    TEXT NOT NULL,
    who         TEXT NOT NULL,
    why         TEXT NOT NULL,
    started_ms  INTEGER NOT NULL,
    ended_ms    INTEGER,
    status      TEXT NOT NULL,
    note        TEXT NOT NULL
) STRICT;
CREATE TABLE journal (
    rollout     TEXT NOT NULL,
    step        INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    event       TEXT NOT NULL,
    body        TEXT NOT NULL,
    effects     TEXT NOT NULL,
    PRIMARY KEY (rollout, step)
) STRICT;
CREATE TABLE steering (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    request     TEXT NOT NULL
) STRICT;
CREATE TABLE lock (
    only_one    INTEGER PRIMARY KEY CHECK (only_one = 1),
    version     INTEGER NOT NULL,
    token       TEXT,
    holder      TEXT NOT NULL,
    taken_ms    INTEGER NOT NULL
) STRICT;
INSERT INTO lock VALUES (1, 0, NULL, '', 0);
PRAGMA user_version = 1;
";

/// An open database of a region.
#[derive(Debug)]
pub struct FileLedger {
    connection: SqliteConnection,
    path: PathBuf,
    kept: Kept,
}

/// Where a ledger's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// In the file.
    OnDisk,
    /// In memory: there is no file, and looking must not make one.
    InMemory,
    /// In the file, which cannot be written now; it can be read as it stands.
    Frozen,
}

impl FileLedger {
    /// Opens the database if there is one; without one, an empty one in memory. Creates nothing: commands
    /// that only look, or that fail before they change anything, leave no trace.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn look(path: &Path) -> Result<Self, LedgerError> {
        match std::fs::metadata(path) {
            // An empty file is a first deploy that was killed before its first table.
            Ok(metadata) if metadata.len() > 0 => match Self::open(path).await {
                Err(LedgerError::Full { .. }) => Self::frozen(path).await,
                opened => opened,
            },
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(durable::FileError::Read { path: path.to_path_buf(), source }.into())
            }
            _ => {
                let options = SqliteConnectOptions::new().in_memory(true);
                Self::connect(path, options, Kept::InMemory).await
            }
        }
    }

    /// Opens the database on a full disk, where `SQLite` has no room for the files it keeps beside it. With nothing in
    /// its log it is read as it stands. Else somebody was killed while it was written: the log is read too, which
    /// nobody else may do meanwhile, since its index is in memory then
    /// (<https://www.sqlite.org/wal.html#use_of_wal_without_shared_memory>).
    async fn frozen(path: &Path) -> Result<Self, LedgerError> {
        let log = path.with_file_name(format!("{}-wal", file_name(path)));
        let options = SqliteConnectOptions::new().filename(path);
        let options = if std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
            options.locking_mode(SqliteLockingMode::Exclusive).busy_timeout(BUSY_TIMEOUT)
        } else {
            options.read_only(true).immutable(true)
        };
        Self::connect(path, options, Kept::Frozen).await
    }

    async fn keep_on_disk(&mut self) -> Result<(), LedgerError> {
        let path = self.path.clone();
        match self.kept {
            Kept::OnDisk => {}
            Kept::InMemory => *self = Self::create(&path).await?,
            Kept::Frozen => self.thaw(&path).await?,
        }
        Ok(())
    }

    /// Opens a frozen database as any other; it stays as it is if it cannot.
    async fn thaw(&mut self, path: &Path) -> Result<(), LedgerError> {
        let empty = SqliteConnectOptions::new().in_memory(true);
        let empty = empty.connect().await.map_err(|source| classify(path, source))?;
        // Who reads the log alone is in the way of everybody, of itself too.
        let frozen = std::mem::replace(&mut self.connection, empty);
        frozen.close().await.map_err(|source| classify(path, source))?;
        match Self::open(path).await {
            Ok(open) => *self = open,
            Err(error) => {
                *self = Self::frozen(path).await?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Opens the database, creating it and its folder if needed.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn create(path: &Path) -> Result<Self, LedgerError> {
        if let Some(folder) = path.parent() {
            durable::private_folder(folder)?;
        }
        Self::open(path).await
    }

    async fn open(path: &Path) -> Result<Self, LedgerError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        Self::connect(path, options, Kept::OnDisk).await
    }

    async fn connect(
        path: &Path,
        options: SqliteConnectOptions,
        kept: Kept,
    ) -> Result<Self, LedgerError> {
        let connection = options.connect().await.map_err(|source| classify(path, source))?;
        let mut ledger = Self { connection, path: path.to_path_buf(), kept };
        ledger.bring_up_to_date().await?;
        Ok(ledger)
    }

    async fn bring_up_to_date(&mut self) -> Result<(), LedgerError> {
        // Immediate: two first deploys at once must not both create the tables.
        let path = self.path.clone();
        let failed = |source| classify(&path, source);
        let version = "PRAGMA user_version";
        let found: i64 =
            sqlx::query_scalar(version).fetch_one(&mut self.connection).await.map_err(failed)?;
        if found == SCHEMA_VERSION {
            return Ok(());
        }
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let found: i64 =
            sqlx::query_scalar(version).fetch_one(&mut *transaction).await.map_err(failed)?;
        match found {
            0 => {
                sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await.map_err(failed)?;
            }
            SCHEMA_VERSION => {}
            found => return Err(LedgerError::Newer { path, found, known: SCHEMA_VERSION }),
        }
        transaction.commit().await.map_err(|source| classify(&path, source))
    }

    /// Returns an error of this database.
    fn failed(&self, source: sqlx::Error) -> LedgerError {
        classify(&self.path, source)
    }

    /// Parses a JSON column.
    fn parse<T: serde::de::DeserializeOwned>(
        &self,
        table: &'static str,
        text: &str,
    ) -> Result<T, LedgerError> {
        serde_json::from_str(text).map_err(|source| self.unparsed(table, source))
    }

    fn unparsed(&self, table: &'static str, source: serde_json::Error) -> LedgerError {
        LedgerError::Row { path: self.path.clone(), table, source }
    }
}

#[async_trait(?Send)]
impl Ledger for FileLedger {
    async fn keep(&mut self) -> Result<(), LedgerError> {
        self.keep_on_disk().await
    }

    async fn lock_row(&mut self) -> Result<LockRow, LedgerError> {
        self.read_lock().await
    }

    async fn take(&mut self, version: u64, holder: &Holder) -> Result<Option<Lock>, LedgerError> {
        self.take_lock(version, holder).await
    }

    async fn beat(&mut self, lock: &Lock) -> Result<(), LockError> {
        self.bump_lock(lock).await
    }

    async fn release_lock(&mut self, lock: &Lock) -> Result<(), LedgerError> {
        self.clear_lock(lock).await
    }

    async fn break_lock(&mut self) -> Result<(), LedgerError> {
        self.remove_lock().await
    }

    async fn record(&mut self, lock: &Lock, id: &str, step: &Step) -> Result<(), LockError> {
        self.append_step(lock, id, step).await
    }

    async fn steps(&mut self, id: &str) -> Result<Vec<Step>, LedgerError> {
        self.read_steps(id).await
    }

    async fn steer(&mut self, request: &Steering) -> Result<(), LedgerError> {
        self.leave_request(request).await
    }

    async fn take_steering(&mut self) -> Result<Option<Steering>, LedgerError> {
        self.take_request().await
    }

    async fn clear_steering(&mut self) -> Result<(), LedgerError> {
        self.clear_requests().await
    }

    async fn history(&mut self) -> Result<History, LedgerError> {
        self.read_history().await
    }

    async fn open_revision(
        &mut self,
        revision: &Revision,
        release: &Release,
    ) -> Result<(), LedgerError> {
        self.append_revision(revision, release).await
    }

    async fn close_revision(
        &mut self,
        number: u32,
        status: RevisionStatus,
        note: &str,
        at_ms: u64,
    ) -> Result<(), LedgerError> {
        self.end_revision(number, status, note, at_ms).await
    }

    /// A file has room: nothing is forgotten.
    async fn forget(&mut self, _: &BTreeSet<ReleaseId>) -> Result<(), LedgerError> {
        Ok(())
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Less than this is too little for the smallest file that `SQLite` keeps beside a database.
const BYTES_FREE_MIN: u64 = 64 * 1024;

fn is_disk_full(path: &Path) -> bool {
    let stat = rustix::fs::statvfs(path.parent().unwrap_or(path));
    stat.is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) < BYTES_FREE_MIN)
}

fn classify(path: &Path, source: sqlx::Error) -> LedgerError {
    let path = path.to_path_buf();
    let code =
        source.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    // Extended codes carry the primary one in their low byte.
    let primary =
        code.and_then(|code| code.parse::<u32>().ok()).map(|code| (code & 0xff).to_string());
    match primary.as_deref() {
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => LedgerError::Corrupt { path, source },
        Some(SQLITE_FULL) => LedgerError::Full { path },
        // Files beside the database that cannot grow are told as errors of the disk.
        Some(SQLITE_IOERR) if is_disk_full(&path) => LedgerError::Full { path },
        _ => LedgerError::Other { path, source },
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    async fn opened(path: &Path) -> Box<dyn Ledger> {
        Box::new(FileLedger::create(path).await.unwrap())
    }

    crate::ledger::conformance::ledger_conformance! {
        folder = tempfile::tempdir().unwrap(),
        || async { opened(&folder.path().join("ledger.sqlite")).await }.boxed_local()
    }
}
