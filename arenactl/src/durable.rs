//! Files that are whole or absent: written beside, synced, renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

/// Who may read a written file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Mode 0600: secrets and keys.
    Owner,
    /// Mode 0644.
    Everyone,
    /// Mode 0755: programs.
    Program,
}

impl Access {
    const fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everyone => 0o644,
            Self::Program => 0o755,
        }
    }
}

/// Why a file of the state folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading failed.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Writing failed; the file is as it was before.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The disk is full or over quota; the file is as it was before.
    #[error("no space left to write `{}`, nothing was changed there", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The content is not what this program writes.
    #[error("`{}` is corrupt", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the parser met.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl FileError {
    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Read { path, .. } => {
                format!("check that `{}` exists and is yours", path.display())
            }
            Self::Write { path, .. } => {
                let folder = folder_of(path);
                format!("make `{}` writable, or name another with `--state-dir`", folder.display())
            }
            Self::Full { path } => {
                let folder = folder_of(path);
                format!(
                    "free space on the disk of `{}`, then run the command again",
                    folder.display()
                )
            }
            Self::Corrupt { path, .. } => format!(
                "move `{0}` away (`mv {0} {0}.corrupt`), then `arenactl deploy` builds it anew",
                path.display()
            ),
        }
    }

    fn writing(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Write { path, source },
        }
    }
}

/// Replaces `path` with `bytes`: beside it, synced, renamed; parents are created.
///
/// # Errors
/// [`FileError::Full`] or [`FileError::Write`]; the old content stands.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
    replace(path, access, |file| file.write_all(bytes))
}

/// Replaces `path` with what `fill` writes, as [`write()`] does.
///
/// # Errors
/// [`FileError::Full`] or [`FileError::Write`]; the old content stands.
pub fn replace(
    path: &Path,
    access: Access,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), FileError> {
    let folder = folder_of(path);
    let beside = beside(path);
    let attempt = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(access.mode())
            .open(&beside)?;
        file.set_permissions(fs::Permissions::from_mode(access.mode()))?;
        fill(&mut file)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    };
    attempt().map_err(|source| {
        // The half-written file must not outlive the failure; that it may not exist is fine.
        let _ = fs::remove_file(&beside);
        FileError::writing(path, source)
    })
}

/// Writes `value` as JSON, as [`write()`] does.
///
/// # Errors
/// As [`write()`].
pub fn write_json<T: Serialize>(path: &Path, value: &T, access: Access) -> Result<(), FileError> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("our own types serialise to JSON");
    bytes.push(b'\n');
    write(path, &bytes, access)
}

/// Reads a JSON file; `None` if there is no such file.
///
/// # Errors
/// [`FileError::Read`], or [`FileError::Corrupt`] if it does not parse.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FileError::Read { path: path.to_path_buf(), source }),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| FileError::Corrupt { path: path.to_path_buf(), source: source.into() })
}

/// Creates a folder that only its owner may enter, with its parents.
///
/// # Errors
/// [`FileError::Full`] or [`FileError::Write`].
pub fn private_folder(path: &Path) -> Result<(), FileError> {
    let attempt = || -> io::Result<()> {
        fs::create_dir_all(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
    };
    attempt().map_err(|source| FileError::writing(path, source))
}

/// The folder of a bare file name is the working directory, not the empty path.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// The pid keeps two writers apart; the dot keeps it out of listings.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_keeps_the_old_content_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, b"old", Access::Everyone).unwrap();
        let error = replace(&path, Access::Everyone, |file| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(matches!(error, Err(FileError::Full { .. })), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_corrupt_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, b"{", Access::Owner).unwrap();
        let error = read_json::<u32>(&path).unwrap_err();
        assert!(matches!(error, FileError::Corrupt { .. }));
        assert!(error.help().contains("a.json"), "{}", error.help());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
