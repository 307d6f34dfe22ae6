//! The cluster's certificate authority, run by `arenactl certs` and by tests.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::{
    Material, MaterialError, SpiffeId,
    material::{KEY_FILE, write_file},
};

/// File name of the CA's own certificate.
pub const CA_CERT_FILE: &str = "ca.pem";
/// Name of the CA's key in its folder, mode 0600.
pub const CA_KEY_FILE: &str = "ca.key.pem";
/// How long a CA certificate lives: it is replaced by a bundle of old and new, not by surprise.
const CA_LIFE: Duration = Duration::from_hours(87600);
/// How far before now certificates start, for machines whose clocks differ.
const CLOCK_SKEW: Duration = Duration::from_mins(5);
/// How long a leaf lives unless told otherwise; it is rotated at half of that.
pub const LEAF_LIFE: Duration = Duration::from_hours(24);

/// Why a CA could not be made, loaded, or could not issue.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Key generation, encoding or signing failed, or a file holds no usable CA.
    #[error("cannot {doing}")]
    Crypto {
        /// What was tried.
        doing: &'static str,
        /// The cause.
        source: rcgen::Error,
    },
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// What was issued does not stand, or could not be written.
    #[error("cannot use the issued certificate")]
    Material {
        /// The cause.
        #[from]
        source: MaterialError,
    },
    /// The id is of another cluster.
    #[error("this CA is of cluster `{own}`, not of `{id}`")]
    OtherCluster {
        /// The CA's cluster.
        own: String,
        /// The id wanted.
        id: SpiffeId,
    },
}

fn doing(doing: &'static str) -> impl FnOnce(rcgen::Error) -> CaError {
    move |source| CaError::Crypto { doing, source }
}

/// A certificate authority of one cluster.
pub struct Ca {
    cluster: String,
    cert_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// Makes a new CA with a fresh key.
    ///
    /// # Errors
    /// [`CaError::Crypto`].
    pub fn create(cluster: &str) -> Result<Self, CaError> {
        let key = KeyPair::generate().map_err(doing("generate the CA's key"))?;
        let mut params =
            CertificateParams::new(Vec::<String>::new()).map_err(doing("name the CA"))?;
        params.distinguished_name.push(DnType::OrganizationName, cluster);
        params.distinguished_name.push(DnType::CommonName, format!("arena {cluster} CA"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let now = SystemTime::now();
        params.not_before = (now - CLOCK_SKEW).into();
        params.not_after = (now + CA_LIFE).into();
        let cert_pem = params.self_signed(&key).map_err(doing("sign the CA"))?.pem();
        Ok(Self { cluster: cluster.to_owned(), cert_pem, issuer: Issuer::new(params, key) })
    }

    /// Reads a CA that [`Ca::save`] wrote.
    ///
    /// # Errors
    /// [`CaError::Read`] and [`CaError::Crypto`].
    pub fn load(cluster: &str, dir: &Path) -> Result<Self, CaError> {
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(|source| CaError::Read { path, source })
        };
        Self::from_pem(cluster, &read(CA_CERT_FILE)?, &read(CA_KEY_FILE)?)
    }

    /// Takes a CA's certificate and key.
    ///
    /// # Errors
    /// [`CaError::Crypto`].
    pub fn from_pem(cluster: &str, cert: &str, key: &str) -> Result<Self, CaError> {
        let key = KeyPair::from_pem(key).map_err(doing("parse the CA's key"))?;
        let issuer =
            Issuer::from_ca_cert_pem(cert, key).map_err(doing("parse the CA's certificate"))?;
        Ok(Self { cluster: cluster.to_owned(), cert_pem: cert.to_owned(), issuer })
    }

    /// Writes certificate and key into a folder, the key with mode 0600.
    ///
    /// # Errors
    /// [`CaError::Material`].
    pub fn save(&self, dir: &Path) -> Result<(), CaError> {
        fs::create_dir_all(dir)
            .map_err(|source| MaterialError::Io { path: dir.to_owned(), source })?;
        write_file(&dir.join(CA_KEY_FILE), &self.key_pem(), 0o600)?;
        Ok(write_file(&dir.join(CA_CERT_FILE), &self.cert_pem, 0o644)?)
    }

    /// Returns the certificate in PEM: what others put among their roots.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// Returns the private key in PEM: a secret.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Issues a leaf with a fresh key, valid from a little before now for `ttl`, that trusts this CA alone.
    ///
    /// # Errors
    /// [`CaError`]; among them [`CaError::OtherCluster`].
    pub fn issue(&self, id: &SpiffeId, ttl: Duration) -> Result<Material, CaError> {
        self.issue_with_roots(id, ttl, &self.cert_pem)
    }

    /// Issues a leaf that trusts `roots` (PEM, old and new CA in any order), which must hold this CA.
    ///
    /// # Errors
    /// As [`Ca::issue`].
    pub fn issue_with_roots(
        &self,
        id: &SpiffeId,
        ttl: Duration,
        roots: &str,
    ) -> Result<Material, CaError> {
        if id.cluster() != self.cluster {
            return Err(CaError::OtherCluster { own: self.cluster.clone(), id: id.clone() });
        }
        let mut params =
            CertificateParams::new(Vec::<String>::new()).map_err(doing("name the leaf"))?;
        let uri = id.as_str().try_into().map_err(doing("encode the leaf's id"))?;
        params.subject_alt_names.push(SanType::URI(uri));
        params.distinguished_name.push(DnType::OrganizationName, id.cluster());
        params.distinguished_name.push(DnType::CommonName, id.instance());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let now = SystemTime::now();
        params.not_before = (now - CLOCK_SKEW).into();
        params.not_after = (now + ttl).into();
        let key = KeyPair::generate().map_err(doing("generate the leaf's key"))?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(doing("sign the leaf"))?;
        Ok(Material::from_pem(&leaf.pem(), &key.serialize_pem(), roots)?)
    }
}

/// Returns whether a folder holds an identity already; says nothing about its validity.
#[must_use]
pub fn holds_identity(dir: &Path) -> bool {
    dir.join(KEY_FILE).is_file()
}
