//! Secrets of a region: one file each, mode 0600, never printed; releases know only hashes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use arenactl_planning::Digest;
use arenactl_planning::spec::{SecretName, SecretSource, SecretSpec};

use crate::artifacts::hex;
use crate::durable::{self, Access, FileError};

/// A shorter value could be guessed from its hash, which a release carries.
const VALUE_BYTES_MIN: usize = 16;

/// Why a secret has no value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable that holds it is not set.
    #[error("secret `{name}` comes from variable `{variable}`, which is not set")]
    NoVariable {
        /// The secret.
        name: SecretName,
        /// The variable.
        variable: String,
    },
    /// It is shorter than 16 bytes.
    #[error("secret `{name}` has {length} bytes, at least {VALUE_BYTES_MIN} are needed")]
    Short {
        /// The secret.
        name: SecretName,
        /// Its length.
        length: usize,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl SecretError {
    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NoVariable { variable, .. } => format!("set it: `{variable}=… arenactl deploy`"),
            Self::Short { name, .. } => {
                format!("set `secrets.{name}.source: generate`, or a longer value")
            }
            Self::File(error) => error.help(),
        }
    }
}

/// Returns the hash of every secret's value, as a release carries it.
///
/// A generated secret is hashed by its name and generation instead of its value, so that the first plan
/// of a region, made before anything is generated, has the digest of the deploy that follows.
///
/// # Errors
/// [`SecretError`].
pub fn hashes(
    secrets: &BTreeMap<SecretName, SecretSpec>,
    folder: &Path,
) -> Result<BTreeMap<SecretName, Digest>, SecretError> {
    let hash = |(name, spec): (&SecretName, &SecretSpec)| {
        let text = match given_value(name, spec)? {
            Some(value) => format!("given {name} {value}"),
            None => format!("generated {name} {}", generation(folder, name)?),
        };
        Ok((name.clone(), Digest::of(text.as_bytes())))
    };
    secrets.iter().map(hash).collect()
}

/// Writes every secret that has no file yet, and those whose given value changed.
///
/// # Errors
/// [`SecretError`].
pub fn ensure(
    secrets: &BTreeMap<SecretName, SecretSpec>,
    folder: &Path,
) -> Result<(), SecretError> {
    durable::private_folder(folder)?;
    for (name, spec) in secrets {
        let path = folder.join(name.as_str());
        match given_value(name, spec)? {
            Some(value) if fs::read_to_string(&path).ok().as_ref() == Some(&value) => {}
            Some(value) => durable::write(&path, value.as_bytes(), Access::Owner)?,
            None if path.exists() => {}
            None => durable::write(&path, random_hex(spec.bytes)?.as_bytes(), Access::Owner)?,
        }
    }
    Ok(())
}

/// Returns the value of a secret of this region, for arenactl's own calls.
///
/// # Errors
/// [`FileError::Read`].
pub fn read(folder: &Path, name: &str) -> Result<String, FileError> {
    let path = folder.join(name);
    fs::read_to_string(&path)
        .map(|value| value.trim().to_owned())
        .map_err(|source| FileError::Read { path, source })
}

/// Returns the values that are there, to make sure that none of them is shown.
#[must_use]
pub fn values(
    secrets: &BTreeMap<SecretName, SecretSpec>,
    folder: &Path,
) -> BTreeMap<SecretName, String> {
    let value = |name: &SecretName| Some((name.clone(), read(folder, name.as_str()).ok()?));
    secrets.keys().filter_map(value).collect()
}

fn given_value(name: &SecretName, spec: &SecretSpec) -> Result<Option<String>, SecretError> {
    let from = spec.from.clone().unwrap_or_default();
    let value = match spec.source {
        SecretSource::Generate => return Ok(None),
        SecretSource::Env => std::env::var(&from)
            .map_err(|_| SecretError::NoVariable { name: name.clone(), variable: from })?,
        SecretSource::File => {
            let path = PathBuf::from(from);
            fs::read_to_string(&path).map_err(|source| FileError::Read { path, source })?
        }
    };
    let value = value.trim_end().to_owned();
    if value.len() < VALUE_BYTES_MIN {
        return Err(SecretError::Short { name: name.clone(), length: value.len() });
    }
    Ok(Some(value))
}

/// How often a generated secret was drawn anew; a file beside it counts, absent means once.
fn generation(folder: &Path, name: &SecretName) -> Result<u32, SecretError> {
    Ok(durable::read_json(&folder.join(format!("{name}.generation")))?.unwrap_or(1))
}

fn random_hex(byte_count: u32) -> Result<String, FileError> {
    let path = PathBuf::from("/dev/urandom");
    let mut bytes = vec![0; byte_count as usize];
    fs::File::open(&path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|source| FileError::Read { path, source })?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_generated_secret_is_kept_private_and_hashed_before_it_exists() {
        let folder = tempfile::tempdir().unwrap();
        let name: SecretName = "drain_token".parse().unwrap();
        let spec = SecretSpec { source: SecretSource::Generate, from: None, bytes: 32 };
        let secrets = BTreeMap::from([(name, spec)]);
        let before = hashes(&secrets, folder.path()).unwrap();
        ensure(&secrets, folder.path()).unwrap();
        let value = read(folder.path(), "drain_token").unwrap();
        ensure(&secrets, folder.path()).unwrap();
        assert_eq!(read(folder.path(), "drain_token").unwrap(), value);
        assert_eq!(value.len(), 64);
        assert_eq!(hashes(&secrets, folder.path()).unwrap(), before);
        let mode = fs::metadata(folder.path().join("drain_token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
