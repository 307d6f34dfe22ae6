//! TLS 1.3 on the public port, with a certificate that may be renewed while we run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at: renewals are days apart, a minute more does no harm.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM, leaf first.
    pub cert: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or no PEM.
    #[error("cannot read `{}`: give a PEM file that this user can read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What reading it said.
        source: rustls::pki_types::pem::Error,
    },
    /// The two do not belong together, or are of a kind that is not served.
    #[error("cannot use the key with the certificate in `{}`", path.display())]
    Pair {
        /// The certificate.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
}

/// Holds the current certificate; clones share it.
#[derive(Clone)]
pub struct TlsKeeper {
    files: TlsFiles,
    config: Arc<ArcSwap<ServerConfig>>,
}

impl TlsKeeper {
    /// Loads both files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let config = Arc::new(ArcSwap::from_pointee(config(&files)?));
        Ok(Self { files, config })
    }

    /// Returns an acceptor with the certificate of now.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Looks at the files for ever and takes what changed; what cannot be used is logged and left.
    pub async fn keep(self) {
        let mut seen = self.stamps();
        let mut ticks = tokio::time::interval(RELOAD_INTERVAL);
        loop {
            ticks.tick().await;
            let stamps = self.stamps();
            if stamps == seen {
                continue;
            }
            seen = stamps;
            match self.reload() {
                Ok(()) => tracing::info!(cert = %self.files.cert.display(), "certificate renewed"),
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the old certificate stays"
                ),
            }
        }
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// [`TlsError`]; the old certificate stays then.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.config.store(Arc::new(config(&self.files)?));
        Ok(())
    }

    fn stamps(&self) -> [Option<SystemTime>; 2] {
        let stamp = |path: &Path| path.metadata().and_then(|it| it.modified()).ok();
        [stamp(&self.files.cert), stamp(&self.files.key)]
    }
}

impl std::fmt::Debug for TlsKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsKeeper").field("files", &self.files).finish_non_exhaustive()
    }
}

fn config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Read { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(read(&files.cert))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(read(&files.key))?;
    let pair = |source| TlsError::Pair { path: files.cert.clone(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn write_pair(folder: &Path) -> (TlsFiles, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
        std::fs::write(&files.cert, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        (files, made.cert.der().clone())
    }

    #[test]
    fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (files, _) = write_pair(folder.path());
        let keeper = TlsKeeper::load(files.clone()).unwrap();
        let first = Arc::as_ptr(&keeper.config.load_full());
        std::fs::write(&files.cert, "not a certificate").unwrap();
        assert!(matches!(keeper.reload(), Err(TlsError::Pair { .. } | TlsError::Read { .. })));
        assert_eq!(first, Arc::as_ptr(&keeper.config.load_full()));
        write_pair(folder.path());
        keeper.reload().unwrap();
        assert_ne!(first, Arc::as_ptr(&keeper.config.load_full()));
    }

    #[test]
    fn a_missing_file_is_named() {
        let files = TlsFiles { cert: "/nowhere/cert.pem".into(), key: "/nowhere/key.pem".into() };
        let error = TlsKeeper::load(files).unwrap_err();
        assert!(error.to_string().contains("/nowhere/cert.pem"), "{error}");
    }
}
