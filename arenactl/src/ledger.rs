//! A region's `SQLite` file: releases, revisions, the journal and the lock.
//!
//! `lock.rs`, `journal.rs` and `history.rs` each own their tables; this file opens the database. WAL with
//! `synchronous = FULL`: what was answered survives a power cut.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::durable;

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

/// Why the database could not be used.
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
    #[error("`{}` has version {found}, this arenactl knows {SCHEMA_VERSION}", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
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
    /// Anything else.
    #[error("cannot use `{}`", path.display())]
    Other {
        /// The database.
        path: PathBuf,
        /// The driver's answer.
        source: sqlx::Error,
    },
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
            Self::Other { path, .. } => {
                format!("check that `{}` is yours and writable", path.display())
            }
            Self::Folder(error) => error.help(),
        }
    }
}

/// An open database of a region.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) connection: SqliteConnection,
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

impl Ledger {
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

    /// Opens the database on a full disk, where `SQLite` has no room for the files it keeps beside it. That is
    /// right only if nobody writes: then nothing is in the log that is not in the database.
    async fn frozen(path: &Path) -> Result<Self, LedgerError> {
        let log = path.with_file_name(format!("{}-wal", file_name(path)));
        if std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
            return Err(LedgerError::Full { path: path.to_path_buf() });
        }
        let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
        Self::connect(path, options, Kept::Frozen).await
    }

    /// Makes sure that what is written from now on stays: a region begins with its first lock.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn keep(&mut self) -> Result<(), LedgerError> {
        let path = self.path.clone();
        match self.kept {
            Kept::OnDisk => {}
            Kept::InMemory => *self = Self::create(&path).await?,
            Kept::Frozen => *self = Self::open(&path).await?,
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
            found => return Err(LedgerError::Newer { path, found }),
        }
        transaction.commit().await.map_err(|source| classify(&path, source))
    }

    /// Returns the database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns an error of this database.
    pub(crate) fn failed(&self, source: sqlx::Error) -> LedgerError {
        classify(&self.path, source)
    }

    /// Parses a JSON column.
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(
        &self,
        table: &'static str,
        text: &str,
    ) -> Result<T, LedgerError> {
        serde_json::from_str(text).map_err(|source| LedgerError::Row {
            path: self.path.clone(),
            table,
            source,
        })
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

pub(crate) fn classify(path: &Path, source: sqlx::Error) -> LedgerError {
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
