//! One `SQLite` file: checked, migrated, one writer, a few readers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use arena_store::StoreError;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlSafeStr as _, SqliteConnection};
use tokio::task::JoinHandle;

use crate::OpenError;
use crate::fault::{Fault, is_corrupt, is_full};
use crate::writer::Writer;

/// Readers of one file; each is a thread, and this machine may be small.
const READERS_MAX: u32 = 4;
/// Longest wait for a free reader.
const READER_WAIT: Duration = Duration::from_secs(5);
/// Longest wait for a lock of `SQLite`'s; only a backup tool beside us can hold one.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// The log is cut back to this after a checkpoint.
const LOG_BYTES_KEPT: &str = "67108864";

/// What a file is for.
pub(crate) struct Kind {
    /// Its name, for example `registry.db`.
    pub(crate) file: &'static str,
    /// Its schema: the name and the SQL of each migration, version 1 first. What was released is never
    /// changed, only added to: sqlx compares the sum of each.
    pub(crate) schema: &'static [(&'static str, &'static str)],
    /// When a commit counts as done.
    pub(crate) synchronous: SqliteSynchronous,
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) readers: SqlitePool,
    pub(crate) writer: Writer,
    file: &'static str,
}

impl Database {
    /// Opens the file in `folder`, or makes it.
    pub(crate) async fn open(
        folder: &Path,
        kind: Kind,
        bytes_max: Option<u64>,
    ) -> Result<(Self, JoinHandle<()>), OpenError> {
        let path = folder.join(kind.file);
        let options = options(&path, kind.synchronous);
        let engine = |source| OpenError::from_engine(&path, source);
        let mut connection = options.connect().await.map_err(engine)?;
        check(&mut connection, &path).await?;
        migrate(&mut connection, &path, kind.schema).await?;
        let options = match bytes_max {
            Some(bytes) => options.pragma("max_page_count", pages(&mut connection, bytes).await?),
            None => options,
        };
        connection.close().await.map_err(engine)?;
        let connection = options.connect().await.map_err(engine)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(READER_WAIT)
            .test_before_acquire(false)
            .connect_lazy_with(options.clone().read_only(true));
        let (writer, task) = Writer::start(connection, options, kind.file);
        Ok((Self { readers, writer, file: kind.file }, task))
    }

    /// Translates a reader's error.
    pub(crate) fn read<T>(&self, outcome: Result<T, impl Into<Fault>>) -> Result<T, StoreError> {
        outcome.map_err(|error| error.into().into_store_error(self.file))
    }
}

fn options(path: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(BUSY_WAIT)
        .pragma("journal_size_limit", LOG_BYTES_KEPT)
        .disable_statement_logging()
}

/// Refuses a damaged file before anything is built on it. O(size).
async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|source| OpenError::from_engine(path, source))?;
    match found.as_str() {
        "ok" => Ok(()),
        reason => Err(OpenError::Corrupt { path: path.to_owned(), reason: reason.to_owned() }),
    }
}

/// Brings the schema up to this binary's; refuses one that is newer.
async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    schema: &'static [(&'static str, &'static str)],
) -> Result<(), OpenError> {
    let engine = |source| OpenError::from_engine(path, source);
    let supported = schema.len() as i64;
    let table = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let is_new: i64 =
        sqlx::query_scalar(table).fetch_one(&mut *connection).await.map_err(engine)?;
    if is_new > 0 {
        let newest = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";
        let found: i64 =
            sqlx::query_scalar(newest).fetch_one(&mut *connection).await.map_err(engine)?;
        if found > supported {
            return Err(OpenError::SchemaNewer { path: path.to_owned(), found, supported });
        }
    }
    let migrations = schema.iter().zip(1..).map(|(&(name, sql), version)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let migrated = Migrator::with_migrations(migrations.collect()).run(connection).await;
    migrated.map_err(|source| OpenError::Migrate { path: path.to_owned(), source })
}

async fn pages(connection: &mut SqliteConnection, bytes: u64) -> Result<String, OpenError> {
    let page: i64 = sqlx::query_scalar("PRAGMA page_size")
        .fetch_one(connection)
        .await
        .map_err(|source| OpenError::from_engine(&PathBuf::from("page_size"), source))?;
    Ok((bytes / page.max(1) as u64).max(1).to_string())
}

impl OpenError {
    pub(crate) fn from_engine(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        if is_corrupt(&source) {
            Self::Corrupt { path, reason: source.to_string() }
        } else if is_full(&source) {
            Self::Full { path }
        } else {
            Self::Database { path, source }
        }
    }
}
