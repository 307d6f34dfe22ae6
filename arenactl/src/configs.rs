//! Plain files that instances find: named by a spec, hashed by a release, told apart by content.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arenactl_planning::Digest;
use arenactl_planning::release::Release;
use arenactl_planning::spec::{ConfigName, ConfigSpec, Spec};

use crate::durable::FileError;

/// Why a config has no content.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// Its file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its file has another content than the release was made with.
    #[error("config `{name}` has another content now than the release was made with")]
    Differs {
        /// The config.
        name: ConfigName,
    },
}

impl ConfigFileError {
    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::File(error) => error.help(),
            Self::Differs { .. } => {
                "give the file that content again, or `arenactl deploy` a release with the new one"
                    .to_owned()
            }
        }
    }
}

/// Returns the hashes of a spec's configs, whose paths count from `folder`.
///
/// # Errors
/// [`FileError::Read`].
pub fn hashes(spec: &Spec, folder: &Path) -> Result<BTreeMap<ConfigName, Digest>, FileError> {
    let hash = |(name, config): (&ConfigName, &ConfigSpec)| {
        Ok((name.clone(), Digest::of(&read(&folder.join(&config.from))?)))
    };
    spec.configs.iter().map(hash).collect()
}

/// Returns the content of a config as a release has it, from the file that it was made of.
///
/// # Errors
/// [`ConfigFileError::Differs`] if that file was changed since.
pub fn content(
    release: &Release,
    name: &ConfigName,
    digest: Digest,
    folder: &Path,
) -> Result<Vec<u8>, ConfigFileError> {
    let differs = || ConfigFileError::Differs { name: name.clone() };
    let config = release.spec.configs.get(name).ok_or_else(differs)?;
    let content = read(&folder.join(&config.from))?;
    if Digest::of(&content) == digest { Ok(content) } else { Err(differs()) }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(|source| FileError::Read { path: path.clone(), source })
}
