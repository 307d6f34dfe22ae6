//! Secrets of a region: one file each, mode 0600, never printed; releases know only hashes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use arenactl_planning::Digest;
use arenactl_planning::release::Release;
use arenactl_planning::spec::{SecretName, SecretSource, SecretSpec};

use crate::artifacts::hex;
use crate::backend::Lack;
use crate::durable::{self, Access, FileError};

/// Name of the secret with the bearer token of `POST /drain`.
pub(crate) const DRAIN_TOKEN: &str = "drain_token";
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
    /// An older value is asked for, and nobody has it any more.
    #[error("secret `{name}` has another value now than the release was made with")]
    Differs {
        /// The secret.
        name: SecretName,
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
            Self::Differs { .. } => {
                "give it that value again, or `arenactl deploy` a release with the new one"
                    .to_owned()
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
        Ok((name.clone(), digest(name, spec, generation(folder, name)?)?))
    };
    secrets.iter().map(hash).collect()
}

/// Returns the hash of one secret's value; `generation` counts how often a generated one was drawn anew.
///
/// # Errors
/// [`SecretError`].
pub fn digest(
    name: &SecretName,
    spec: &SecretSpec,
    generation: u32,
) -> Result<Digest, SecretError> {
    Ok(match given_value(name, spec)? {
        Some(value) => digest_of_given(name, &value),
        None => Digest::of(format!("generated {name} {generation}").as_bytes()),
    })
}

/// Returns the value of a secret as a release with this hash has it: the given one if it is the same, else a
/// freshly drawn one.
///
/// # Errors
/// [`SecretError`]; [`SecretError::Differs`] if another value is given now.
pub(crate) fn value_of(
    name: &SecretName,
    spec: &SecretSpec,
    hash: &Digest,
) -> Result<String, SecretError> {
    match given_value(name, spec)? {
        Some(value) if *hash == digest_of_given(name, &value) => Ok(value),
        Some(_) => Err(SecretError::Differs { name: name.clone() }),
        None => Ok(random_hex(spec.bytes)?),
    }
}

/// Returns the values that are given from outside, to make sure that none of them is shown.
pub(crate) fn given_values(
    secrets: &BTreeMap<SecretName, SecretSpec>,
) -> BTreeMap<SecretName, String> {
    let value =
        |(name, spec): (&SecretName, _)| Some((name.clone(), given_value(name, spec).ok()??));
    secrets.iter().filter_map(value).collect()
}

/// An instance that cannot be drained can neither be replaced nor stopped without dropping its players.
pub(crate) fn no_drain_token(release: &Release) -> Option<Lack> {
    let knows = |secret: &SecretName| secret.as_str() == DRAIN_TOKEN;
    let without = release.spec.services.iter().filter(|(_, it)| !it.secrets.iter().any(knows));
    let without: Vec<_> = without.map(|(service, _)| service.to_string()).collect();
    (!without.is_empty()).then(|| Lack {
        what: format!(
            "services that nobody could drain, for want of the secret `{DRAIN_TOKEN}`: {}",
            without.join(", ")
        ),
        help: format!(
            "set `secrets.{DRAIN_TOKEN}: {{ source: generate }}`, and name `{DRAIN_TOKEN}` in each \
             `services.<service>.secrets`"
        ),
    })
}

/// Makes sure that every secret has the value that a release was made with: one of its `hashes`. Generated ones
/// are drawn once; of given ones every value is kept, so that a rollback finds the older one.
///
/// # Errors
/// [`SecretError`].
pub fn ensure(
    secrets: &BTreeMap<SecretName, SecretSpec>,
    hashes: &BTreeMap<SecretName, Digest>,
    folder: &Path,
) -> Result<(), SecretError> {
    durable::private_folder(folder)?;
    for (name, spec) in secrets {
        let path = folder.join(name.as_str());
        if spec.source == SecretSource::Generate {
            if !path.exists() {
                durable::write(&path, random_hex(spec.bytes)?.as_bytes(), Access::Owner)?;
            }
            continue;
        }
        let value = given_then(name, spec, hashes.get(name), folder)?;
        if fs::read_to_string(&path).ok().as_ref() != Some(&value) {
            durable::write(&path, value.as_bytes(), Access::Owner)?;
        }
    }
    Ok(())
}

/// Returns the given value that has this hash: the kept one, else the one given now, which is kept.
fn given_then(
    name: &SecretName,
    spec: &SecretSpec,
    hash: Option<&Digest>,
    folder: &Path,
) -> Result<String, SecretError> {
    let kept = hash.map(|hash| kept(folder, hash));
    if let Some(path) = kept.as_ref().filter(|path| path.is_file()) {
        let read = fs::read_to_string(path);
        return Ok(read.map_err(|source| FileError::Read { path: path.clone(), source })?);
    }
    let value = given_value(name, spec)?.unwrap_or_default();
    let differs = hash.is_some_and(|hash| *hash != digest_of_given(name, &value));
    if differs {
        return Err(SecretError::Differs { name: name.clone() });
    }
    if let Some(path) = kept {
        durable::private_folder(path.parent().unwrap_or(folder))?;
        durable::write(&path, value.as_bytes(), Access::Owner)?;
    }
    Ok(value)
}

/// Returns the value of a secret as a release with this hash has it.
///
/// # Errors
/// [`FileError::Read`].
pub fn of_release(folder: &Path, name: &str, hash: Option<&Digest>) -> Result<String, FileError> {
    let older = hash.map(|hash| kept(folder, hash)).filter(|path| path.is_file());
    match older {
        Some(path) => fs::read_to_string(&path).map_err(|source| FileError::Read { path, source }),
        None => read(folder, name),
    }
}

/// Where a given value is kept; its name is what releases know of it.
fn kept(folder: &Path, hash: &Digest) -> PathBuf {
    folder.join("given").join(hash.to_string())
}

fn digest_of_given(name: &SecretName, value: &str) -> Digest {
    Digest::of(format!("given {name} {value}").as_bytes())
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
        ensure(&secrets, &before, folder.path()).unwrap();
        let value = read(folder.path(), "drain_token").unwrap();
        ensure(&secrets, &before, folder.path()).unwrap();
        assert_eq!(read(folder.path(), "drain_token").unwrap(), value);
        assert_eq!(value.len(), 64);
        assert_eq!(hashes(&secrets, folder.path()).unwrap(), before);
        let mode = fs::metadata(folder.path().join("drain_token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
