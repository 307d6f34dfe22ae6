//! Certificate, key and roots of one instance, as files and in memory.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::ParsedCertificate,
    sign::CertifiedKey,
};

use crate::{
    SpiffeId,
    verify::{self, CertificateFault},
};

/// File name of the certificate chain, leaf first.
pub const CERT_FILE: &str = "cert.pem";
/// File name of the private key, mode 0600.
pub const KEY_FILE: &str = "key.pem";
/// File name of the trusted roots; old and new ones while the CA changes.
pub const ROOTS_FILE: &str = "roots.pem";

/// Why a certificate, key and roots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// A file could not be read or written.
    #[error("cannot access `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A part is not PEM of the expected kind.
    #[error("{part} holds no valid PEM")]
    Pem {
        /// `cert.pem`, `key.pem` or `roots.pem`.
        part: &'static str,
        /// The cause.
        source: rustls::pki_types::pem::Error,
    },
    /// No certificate where at least one is needed.
    #[error("{part} holds no certificate")]
    Empty {
        /// `cert.pem` or `roots.pem`.
        part: &'static str,
    },
    /// The key does not belong to the certificate, or either is unusable.
    #[error("{KEY_FILE} and {CERT_FILE} do not fit together")]
    Key {
        /// The cause.
        source: rustls::Error,
    },
    /// A root cannot be used as a trust anchor.
    #[error("{ROOTS_FILE} holds an unusable root")]
    Root {
        /// The cause.
        source: rustls::Error,
    },
    /// The leaf breaks a rule of SPIFFE.
    #[error("the leaf of {CERT_FILE} is not an identity of the mesh")]
    Leaf {
        /// The rule.
        source: CertificateFault,
    },
    /// The leaf is expired, not valid yet, or not issued by one of the roots.
    #[error("the leaf of {CERT_FILE} is not valid under {ROOTS_FILE}")]
    Untrusted {
        /// The cause.
        source: rustls::Error,
    },
}

/// What an instance proves itself with and whom it believes; checked on construction.
#[derive(Clone)]
pub struct Material {
    pub(crate) id: SpiffeId,
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) not_after: SystemTime,
    pub(crate) not_before: SystemTime,
    pem: Pem,
}

/// What a certificate says without its key: whose it is and when it ends. Nothing vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Whose it is.
    pub id: SpiffeId,
    /// When it ends.
    pub not_after: SystemTime,
}

impl Leaf {
    /// Reads the first certificate of a chain.
    ///
    /// # Errors
    /// [`MaterialError::Pem`], [`MaterialError::Empty`] and [`MaterialError::Leaf`].
    pub fn from_pem(cert: &str) -> Result<Self, MaterialError> {
        let chain = certificates(CERT_FILE, cert)?;
        let leaf = chain.first().ok_or(MaterialError::Empty { part: CERT_FILE })?;
        let facts = verify::leaf_facts(leaf).map_err(|source| MaterialError::Leaf { source })?;
        Ok(Self { id: facts.id, not_after: facts.not_after })
    }
}

/// The three files' content.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pem {
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) roots: String,
}

impl Pem {
    pub(crate) fn read(dir: &Path) -> Result<Self, MaterialError> {
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(|source| MaterialError::Io { path, source })
        };
        Ok(Self { cert: read(CERT_FILE)?, key: read(KEY_FILE)?, roots: read(ROOTS_FILE)? })
    }
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Material").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Material {
    /// Parses and checks a chain (leaf first), its key and the roots.
    ///
    /// # Errors
    /// [`MaterialError`] for the first rule that is broken, among them: the leaf has exactly one URI SAN
    /// that is a [`SpiffeId`], is no CA, allows client and server use, and is valid now under `roots`.
    pub fn from_pem(cert: &str, key: &str, roots: &str) -> Result<Self, MaterialError> {
        Self::parse(Pem { cert: cert.to_owned(), key: key.to_owned(), roots: roots.to_owned() })
    }

    /// Reads `cert.pem`, `key.pem` and `roots.pem` from a folder.
    ///
    /// # Errors
    /// As [`Material::from_pem`], and [`MaterialError::Io`].
    pub fn load(dir: &Path) -> Result<Self, MaterialError> {
        Self::parse(Pem::read(dir)?)
    }

    /// Writes the three files into a folder, which is created if absent, each by rename and the key
    /// first with mode 0600, so that a watcher never sees half a file.
    ///
    /// # Errors
    /// [`MaterialError::Io`].
    pub fn save(&self, dir: &Path) -> Result<(), MaterialError> {
        fs::create_dir_all(dir)
            .map_err(|source| MaterialError::Io { path: dir.to_owned(), source })?;
        write_file(&dir.join(ROOTS_FILE), &self.pem.roots, 0o644)?;
        write_file(&dir.join(KEY_FILE), &self.pem.key, 0o600)?;
        write_file(&dir.join(CERT_FILE), &self.pem.cert, 0o644)
    }

    /// Returns whose material this is.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// Returns when the leaf ends.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Returns when half of the leaf's life is over: the time to issue the next one.
    #[must_use]
    pub fn rotate_at(&self) -> SystemTime {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.not_before + life / 2
    }

    /// Returns the certificate chain in PEM, leaf first.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.pem.cert
    }

    /// Returns the private key in PEM: a secret.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.pem.key
    }

    /// Returns the roots in PEM.
    #[must_use]
    pub fn roots_pem(&self) -> &str {
        &self.pem.roots
    }

    /// Returns the same key and certificate with other roots, which is how a CA is replaced.
    ///
    /// # Errors
    /// As [`Material::from_pem`].
    pub fn with_roots(&self, roots: &str) -> Result<Self, MaterialError> {
        Self::parse(Pem { roots: roots.to_owned(), ..self.pem.clone() })
    }

    pub(crate) fn parse(pem: Pem) -> Result<Self, MaterialError> {
        let chain = certificates(CERT_FILE, &pem.cert)?;
        let leaf = chain.first().ok_or(MaterialError::Empty { part: CERT_FILE })?;
        let facts = verify::leaf_facts(leaf).map_err(|source| MaterialError::Leaf { source })?;
        let mut roots = RootCertStore::empty();
        for root in certificates(ROOTS_FILE, &pem.roots)? {
            roots.add(root).map_err(|source| MaterialError::Root { source })?;
        }
        let untrusted = |source| MaterialError::Untrusted { source };
        rustls::client::verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(leaf).map_err(untrusted)?,
            &roots,
            &chain[1..],
            UnixTime::now(),
            verify::algorithms().all,
        )
        .map_err(untrusted)?;
        let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes())
            .map_err(|source| MaterialError::Pem { part: KEY_FILE, source })?;
        let key = CertifiedKey::from_der(chain, key, &verify::provider())
            .map_err(|source| MaterialError::Key { source })?;
        Ok(Self {
            id: facts.id,
            key: Arc::new(key),
            roots: Arc::new(roots),
            not_before: facts.not_before,
            not_after: facts.not_after,
            pem,
        })
    }

    pub(crate) fn pem(&self) -> &Pem {
        &self.pem
    }
}

fn certificates(
    part: &'static str,
    pem: &str,
) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| MaterialError::Pem { part, source })?;
    if certificates.is_empty() { Err(MaterialError::Empty { part }) } else { Ok(certificates) }
}

/// Writes a file by rename, with `mode` from its first byte on.
pub(crate) fn write_file(path: &Path, content: &str, mode: u32) -> Result<(), MaterialError> {
    let error = |source| MaterialError::Io { path: path.to_owned(), source };
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = PathBuf::from(name);
    let _ = fs::remove_file(&temporary);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .map_err(error)?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(error)?;
    fs::rename(&temporary, path).map_err(error)
}

/// Converts seconds since 1970 to a [`SystemTime`], clamped to 1970 and later.
pub(crate) fn system_time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
