//! Opens and closes all ports of one folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arena_store::Stores;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::analytics::EmbeddedAnalytics;
use crate::hot::EmbeddedHot;
use crate::lock::FolderLock;
use crate::objects::FolderObjects;
use crate::players::EmbeddedPlayers;
use crate::registry::EmbeddedRegistry;

/// How long a close waits for ports still in use; all that was answered is on disk anyway.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// How the stores are opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Most bytes each database file may grow to; `None`: as the disk allows. A write beyond it is
    /// refused with [`StoreError::Full`](arena_store::StoreError::Full).
    pub file_bytes_max: Option<u64>,
    /// How long to wait for a store that still holds the folder, as during a hand-over.
    pub lock_patience: Duration,
}

/// All ports on one folder.
#[derive(Debug)]
pub struct Embedded {
    stores: Stores,
    /// They end when the last user of their port is gone.
    writers: Vec<JoinHandle<()>>,
    /// They can be stopped at any time.
    background: Vec<JoinHandle<()>>,
    lock: FolderLock,
}

/// Why the stores were not opened. Nothing was changed, but for schema migrations that succeeded.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has them.
    #[error("`{}` is in use by process {}", folder.display(), pid.map_or("unknown".to_owned(), |it| it.to_string()))]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The process, if it could be read.
        pid: Option<u32>,
    },
    /// A file is damaged.
    #[error("`{}` is damaged: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the check found.
        reason: String,
    },
    /// A newer binary has written it.
    #[error("`{}` has schema version {found}, this binary knows up to {supported}", path.display())]
    SchemaNewer {
        /// The file.
        path: PathBuf,
        /// The file's version.
        found: i64,
        /// The newest version this binary can read.
        supported: i64,
    },
    /// There is no room to open it.
    #[error("no space left for `{}`", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The folder or a file in it cannot be used.
    #[error("cannot use `{}`", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `SQLite` refused.
    #[error("cannot open `{}`", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What `SQLite` said.
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date; the file is as it was.
    #[error("cannot migrate `{}`", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What the migration said.
        source: sqlx::migrate::MigrateError,
    },
}

impl OpenError {
    /// One thing to do next, printed as `help: …`.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Locked { pid: Some(pid), .. } => {
                format!("stop process {pid}, or give this store another data folder")
            }
            Self::Locked { pid: None, .. } => "give this store another data folder".to_owned(),
            Self::Corrupt { path, .. } => format!(
                "keep a copy of `{0}`, `{0}-wal` and `{0}-shm`, then restore `{0}` from a backup \
                 (`sqlite3 <copy> .recover` reads what is left)",
                path.display()
            ),
            Self::SchemaNewer { .. } => {
                "start the newer release again, or restore a backup made before it".to_owned()
            }
            Self::Full { path } => format!("free space on the volume of `{}`", path.display()),
            Self::Folder { path, .. } | Self::Database { path, .. } => {
                format!("check that `{}` exists and is writable by this user", path.display())
            }
            Self::Migrate { .. } => "start the release before, and report this".to_owned(),
        }
    }
}

impl Embedded {
    /// Opens the stores of `folder`, and makes what is missing.
    ///
    /// # Errors
    /// By variant of [`OpenError`].
    pub async fn open(folder: &Path, options: Options) -> Result<Self, OpenError> {
        let io = |source| OpenError::Folder { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        let lock = FolderLock::take(folder, options.lock_patience).await?;
        let bytes_max = options.file_bytes_max;
        let (registry, registry_writer, expiry) = EmbeddedRegistry::open(folder, bytes_max).await?;
        let (hot, [hot_writer, journals_writer], sweeper) =
            EmbeddedHot::open(folder, bytes_max).await?;
        let (players, players_writer) = EmbeddedPlayers::open(folder, bytes_max).await?;
        let (analytics, analytics_writer) = EmbeddedAnalytics::open(folder, bytes_max).await?;
        let objects = FolderObjects::open(&folder.join("objects"))?;
        let writers =
            vec![registry_writer, hot_writer, journals_writer, players_writer, analytics_writer];
        let stores = Stores {
            registry,
            hot,
            players: Arc::new(players),
            analytics: Arc::new(analytics),
            objects: Arc::new(objects),
        };
        Ok(Self { stores, writers, background: vec![expiry, sweeper], lock })
    }

    /// Returns the ports; clones keep the files open.
    #[must_use]
    pub fn stores(&self) -> Stores {
        self.stores.clone()
    }

    /// Writes what is queued, closes the files and gives the folder free. Drop every clone of the
    /// ports and every watch first; it waits a few seconds for them.
    pub async fn close(self) {
        let Self { stores, writers, background, lock } = self;
        drop(stores);
        background.iter().for_each(JoinHandle::abort);
        let give_up = Instant::now() + CLOSE_WAIT;
        for writer in writers {
            match timeout_at(give_up, writer).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a task of the stores panicked"),
                Err(_) => tracing::warn!("the stores are closed while a port is still in use"),
            }
        }
        drop(lock);
    }
}
