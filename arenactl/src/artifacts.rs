//! Programs by the digest of their bytes, so that a rollback starts exactly what ran before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use arenactl_planning::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::durable::{self, Access, FileError};

/// Read size while hashing; larger brings nothing on a page-cached file.
const READ_BYTES: usize = 256 * 1024;

/// The folder `artifacts/sha256/`; files there are never changed, only added and removed whole.
#[derive(Clone, Debug)]
pub struct Artifacts {
    folder: PathBuf,
}

/// Whether a digest that had to be computed is written down for the next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remember {
    /// No: the command only looks, and leaves no file.
    Nothing,
    /// Yes.
    Digests,
}

/// Digests by path, each with the stamp of the file it was computed from.
type Index = BTreeMap<String, (Stamp, Digest)>;

/// What changes when a file is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    inode: u64,
    size_bytes: u64,
    modified_ns: i64,
}

impl Stamp {
    fn of(program: &Path) -> Option<Self> {
        let metadata = fs::metadata(program).ok()?;
        let modified_ns =
            metadata.mtime().wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec());
        Some(Self { inode: metadata.ino(), size_bytes: metadata.len(), modified_ns })
    }
}

/// Why a program is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// There is no such program beside arenactl or in the folder given.
    #[error("no program `{name}` in `{}`", folder.display())]
    Missing {
        /// File name looked for.
        name: String,
        /// Folder looked in.
        folder: PathBuf,
    },
    /// A release names a digest that the store no longer has.
    #[error("artifact {digest} of release history is not in `{}`", folder.display())]
    Gone {
        /// SHA-256 in hex.
        digest: String,
        /// The store.
        folder: PathBuf,
    },
    /// The stored bytes are not what their name says.
    #[error("artifact `{}` does not have the digest it is named by", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl ArtifactError {
    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Missing { name, .. } => {
                format!(
                    "build it (`cargo build --bin {name}`), or name its folder with `--artifacts DIR`"
                )
            }
            Self::Gone { .. } => {
                "rebuild that revision and deploy it as a new release: `arenactl deploy`".to_owned()
            }
            Self::Damaged { path } => {
                format!("remove `{}`, then `arenactl deploy` stores it again", path.display())
            }
            Self::File(error) => error.help(),
        }
    }
}

impl Artifacts {
    /// Names the store; nothing is created before the first [`Artifacts::store`].
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.join("sha256") }
    }

    /// Stores the program and returns its digest; a no-op if it is there already.
    ///
    /// A hard link would share the inode with a build folder that a compiler may write into, so
    /// bytes are copied (a reflink where the file system has them).
    ///
    /// # Errors
    /// [`ArtifactError::Missing`] or [`ArtifactError::File`]; nothing half-written stays.
    pub fn store(&self, program: &Path) -> Result<String, ArtifactError> {
        let digest = self.digest(program)?;
        let path = self.folder.join(&digest);
        if !path.exists() {
            durable::replace(&path, Access::Program, |file| {
                io::copy(&mut File::open(program)?, file).map(drop)
            })?;
            // A build that replaced the program in between would store other bytes.
            self.check(&digest)?;
        }
        Ok(digest)
    }

    /// Returns the digest of a program, from the index if the file is as it was when it was hashed.
    ///
    /// # Errors
    /// As [`Artifacts::digest`].
    pub fn known_digest(
        &self,
        program: &Path,
        remember: Remember,
    ) -> Result<Digest, ArtifactError> {
        let stamp = Stamp::of(program);
        let mut index: Index = durable::read_json(&self.index()).ok().flatten().unwrap_or_default();
        if let Some((known, digest)) = index.get(&program.display().to_string())
            && Some(known) == stamp.as_ref()
        {
            return Ok(*digest);
        }
        let digest: Digest = self.digest(program)?.parse().expect("64 hex digits");
        if let (Some(stamp), Remember::Digests) = (stamp, remember) {
            index.insert(program.display().to_string(), (stamp, digest));
            // The index only saves time: without it the next plan hashes again.
            let _ = durable::write_json(&self.index(), &index, Access::Owner);
        }
        Ok(digest)
    }

    fn index(&self) -> PathBuf {
        self.folder.with_file_name("digests.json")
    }

    /// Returns the SHA-256 of a program in hex.
    ///
    /// # Errors
    /// [`ArtifactError::Missing`] or [`ArtifactError::File`].
    pub fn digest(&self, program: &Path) -> Result<String, ArtifactError> {
        hash(program).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ArtifactError::Missing {
                name: program.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                folder: program.parent().unwrap_or_else(|| Path::new(".")).to_path_buf(),
            },
            _ => FileError::Read { path: program.to_path_buf(), source }.into(),
        })
    }

    /// Returns the stored program of a digest.
    ///
    /// # Errors
    /// [`ArtifactError::Gone`].
    pub fn path(&self, digest: &str) -> Result<PathBuf, ArtifactError> {
        let path = self.folder.join(digest);
        if path.is_file() {
            return Ok(path);
        }
        Err(ArtifactError::Gone { digest: digest.to_owned(), folder: self.folder.clone() })
    }

    /// Returns the digests of all stored programs.
    ///
    /// # Errors
    /// [`ArtifactError::File`].
    pub fn stored(&self) -> Result<BTreeSet<Digest>, ArtifactError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(source) => return Err(FileError::Read { path: self.folder.clone(), source }.into()),
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        Ok(names.filter_map(|name| name.to_str()?.parse().ok()).collect())
    }

    /// Removes a stored program; one that runs goes on running.
    ///
    /// # Errors
    /// [`ArtifactError::File`].
    pub fn remove(&self, digest: Digest) -> Result<(), ArtifactError> {
        let path = self.folder.join(digest.to_string());
        fs::remove_file(&path).map_err(|source| FileError::Write { path, source }.into())
    }

    fn check(&self, digest: &str) -> Result<(), ArtifactError> {
        let path = self.folder.join(digest);
        if self.digest(&path)? == digest {
            return Ok(());
        }
        let _ = fs::remove_file(&path); // Half a program must not be found by the next run.
        Err(ArtifactError::Damaged { path })
    }
}

fn hash(program: &Path) -> io::Result<String> {
    let mut file = File::open(program)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
    }
}

/// Returns lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_program_stays_when_the_built_one_changes() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(&folder.path().join("artifacts"));
        let program = folder.path().join("game");
        fs::write(&program, "one").unwrap();
        let first = artifacts.store(&program).unwrap();
        fs::write(&program, "two").unwrap();
        let second = artifacts.store(&program).unwrap();
        assert_ne!(first, second);
        assert_eq!(fs::read(artifacts.path(&first).unwrap()).unwrap(), b"one");
        assert_eq!(artifacts.store(&program).unwrap(), second);
    }

    #[test]
    fn a_missing_program_says_how_to_build_it() {
        let artifacts = Artifacts::new(Path::new("/nowhere"));
        let error = artifacts.store(Path::new("/nowhere/arena-game")).unwrap_err();
        assert!(error.help().contains("--bin arena-game"), "{}", error.help());
        assert!(matches!(artifacts.path("00"), Err(ArtifactError::Gone { .. })));
    }
}
