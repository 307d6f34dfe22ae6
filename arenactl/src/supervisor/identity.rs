//! Certificates of instances and operators, issued by the cluster's authority on this machine.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arena_mesh::{CA_KEY_FILE, Ca, CaError, LEAF_LIFE, MaterialError, SpiffeId, SpiffeIdError};

use super::launch::IdentityPlan;
use crate::durable::{self, FileError};

/// Why a certificate could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The authority could not be made, read or used.
    #[error("cannot use the certificate authority in `{}`", folder.display())]
    Authority {
        /// Its folder.
        folder: PathBuf,
        /// What it answered.
        source: CaError,
    },
    /// The id asked for is none.
    #[error("`{uri}` is no identity")]
    Uri {
        /// The id asked for.
        uri: String,
        /// What is wrong with it.
        source: SpiffeIdError,
    },
    /// The certificate could not be written.
    #[error("cannot write the certificate into `{}`", folder.display())]
    Write {
        /// The identity folder.
        folder: PathBuf,
        /// The cause.
        source: MaterialError,
    },
    /// A folder could not be made.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Returns arenactl's own identity on the mesh of a cluster.
pub(crate) fn operator_uri(cluster: &str) -> String {
    format!("spiffe://{cluster}/operator/arenactl")
}

/// The certificate authority of a cluster, in a folder of this machine.
pub struct Authority {
    ca: Ca,
    folder: PathBuf,
}

impl Authority {
    /// Reads the authority of `folder`, or makes one there.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn ensure(cluster: &str, folder: &Path) -> Result<Self, IdentityError> {
        if folder.join(CA_KEY_FILE).is_file() {
            return Self::load(cluster, folder);
        }
        let failed = |source| IdentityError::Authority { folder: folder.to_path_buf(), source };
        // Two regions may be deployed for the first time at once: the folder appears whole, and once.
        let beside = folder.with_extension(std::process::id().to_string());
        durable::private_folder(&beside)?;
        Ca::create(cluster).and_then(|ca| ca.save(&beside)).map_err(failed)?;
        if std::fs::rename(&beside, folder).is_err() {
            let _ = std::fs::remove_dir_all(&beside); // The other one was first; its authority stands.
        }
        Self::load(cluster, folder)
    }

    /// Reads the authority of `folder`.
    ///
    /// # Errors
    /// [`IdentityError::Authority`].
    pub fn load(cluster: &str, folder: &Path) -> Result<Self, IdentityError> {
        Ca::load(cluster, folder)
            .map(|ca| Self { ca, folder: folder.to_path_buf() })
            .map_err(|source| IdentityError::Authority { folder: folder.to_path_buf(), source })
    }

    /// Issues a certificate for `uri` into `folder`, good for a day.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn issue(&self, uri: &str, folder: &Path) -> Result<(), IdentityError> {
        self.issue_for(uri, folder, LEAF_LIFE)
    }

    fn issue_for(&self, uri: &str, folder: &Path, life: Duration) -> Result<(), IdentityError> {
        let id: SpiffeId =
            uri.parse().map_err(|source| IdentityError::Uri { uri: uri.to_owned(), source })?;
        let failed = |source| IdentityError::Authority { folder: self.folder.clone(), source };
        let material = self.ca.issue(&id, life).map_err(failed)?;
        durable::private_folder(folder)?;
        let write = |source| IdentityError::Write { folder: folder.to_path_buf(), source };
        material.save(folder).map_err(write)
    }
}

/// Issues the certificate of an instance; returns when it is to be renewed.
pub(super) fn issue(plan: &IdentityPlan) -> Result<Duration, IdentityError> {
    let cluster = plan.uri.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next());
    let life = Duration::from_millis(plan.life_ms);
    let authority = Authority::load(cluster.unwrap_or_default(), &plan.authority)?;
    authority.issue_for(&plan.uri, &plan.folder, life)?;
    Ok(life / 2)
}

/// Says whether an authority could be read, for checks that change nothing.
///
/// # Errors
/// Plain I/O.
pub fn key_is_private(folder: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(folder.join(CA_KEY_FILE))?.permissions().mode();
    Ok(mode.trailing_zeros() >= 6)
}
