//! One process a folder: `SQLite`'s own locks would let a second store in.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::OpenError;

const LOCK_FILE: &str = "store.lock";
/// How often a waiting store looks whether the one before has left.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Held while the store is open; the system lets go of it when the process dies.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the folder, waiting up to `patience` for a store that is just closing.
    pub(crate) async fn take(folder: &Path, patience: Duration) -> Result<Self, OpenError> {
        let path = folder.join(LOCK_FILE);
        let io = |source| OpenError::Folder { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        let give_up = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < give_up => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let mut pid = String::new();
                    file.read_to_string(&mut pid).map_err(io)?;
                    let pid = pid.trim().parse().ok();
                    return Err(OpenError::Locked { folder: folder.to_owned(), pid });
                }
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}
