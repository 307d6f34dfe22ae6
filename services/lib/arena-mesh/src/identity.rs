//! The hot-swappable identity of this process, both TLS roles over one cell.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use rustls::{
    SignatureScheme, client::ResolvesClientCert, server::ResolvesServerCert, sign::CertifiedKey,
};
use tokio::sync::watch;

use crate::{
    Material, MaterialError, SpiffeId,
    material::Pem,
    verify::{self, Expect, Verifier},
};

/// The application protocol of the mesh; its number grows when frames change incompatibly.
pub(crate) const ALPN: &[u8] = b"arena-mesh/1";
/// How often [`Identity::watch_dir`] compares the files: far below any certificate's life.
pub const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// Why an identity was not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The new material belongs to someone else.
    #[error("the new certificate is for `{found}`, this process is `{own}`")]
    OtherId {
        /// The id this process has.
        own: SpiffeId,
        /// The id of the new material.
        found: SpiffeId,
    },
    /// The new material is unusable.
    #[error("the new certificate, key or roots are unusable")]
    Material {
        /// The cause.
        #[from]
        source: MaterialError,
    },
}

/// Who this process is and whom it trusts; clones share one cell, so a rotation reaches every
/// handshake that starts after it, in both roles, while open connections live on.
#[derive(Clone, Debug)]
pub struct Identity {
    current: Arc<ArcSwap<Material>>,
    rotations: watch::Sender<u64>,
}

impl Identity {
    /// Starts with `material`.
    #[must_use]
    pub fn new(material: Material) -> Self {
        Self {
            current: Arc::new(ArcSwap::from_pointee(material)),
            rotations: watch::Sender::new(0),
        }
    }

    /// Loads a folder once, without watching it.
    ///
    /// # Errors
    /// [`MaterialError`].
    pub fn load(dir: &Path) -> Result<Self, MaterialError> {
        Ok(Self::new(Material::load(dir)?))
    }

    /// Loads a folder and rotates whenever its files change, until the last clone is dropped. Files
    /// that cannot be used are logged once and the last good material stays. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`MaterialError`] if the folder's first content is unusable.
    pub fn watch_dir(dir: &Path) -> Result<Self, MaterialError> {
        Self::watch_dir_every(dir, WATCH_PERIOD)
    }

    /// Is [`Identity::watch_dir`] with another period.
    ///
    /// # Errors
    /// As [`Identity::watch_dir`].
    pub fn watch_dir_every(dir: &Path, period: Duration) -> Result<Self, MaterialError> {
        let identity = Self::load(dir)?;
        let cell = Arc::downgrade(&identity.current);
        let (rotations, dir) = (identity.rotations.clone(), dir.to_owned());
        tokio::spawn(async move {
            let mut seen = Seen::default();
            loop {
                tokio::time::sleep(period).await;
                let Some(current) = cell.upgrade() else { return };
                seen.poll(&Self { current, rotations: rotations.clone() }, dir.clone()).await;
            }
        });
        Ok(identity)
    }

    /// Replaces the material.
    ///
    /// # Errors
    /// [`RotateError::OtherId`]; nothing changes then.
    pub fn rotate(&self, material: Material) -> Result<(), RotateError> {
        let own = self.id();
        if own != material.id {
            return Err(RotateError::OtherId { own, found: material.id });
        }
        self.current.store(Arc::new(material));
        self.rotations.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Returns a receiver of the number of rotations so far.
    #[must_use]
    pub fn rotations(&self) -> watch::Receiver<u64> {
        self.rotations.subscribe()
    }

    /// Returns the id, which no rotation changes.
    #[must_use]
    pub fn id(&self) -> SpiffeId {
        self.current.load().id.clone()
    }

    /// Returns the material in use.
    #[must_use]
    pub fn current(&self) -> Arc<Material> {
        self.current.load_full()
    }

    fn verifier(&self, expect: Expect) -> Arc<Verifier> {
        Arc::new(Verifier { identity: self.clone(), expect })
    }

    pub(crate) fn server_tls(&self) -> Result<QuicServerConfig, TlsError> {
        let anyone = Expect { service: None, instance: None };
        let mut tls = rustls::ServerConfig::builder_with_provider(verify::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(self.verifier(anyone))
            .with_cert_resolver(Arc::new(Resolver(self.clone())));
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // A resumed session would keep an identity that has been rotated away or is no longer trusted.
        tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
        Ok(tls.try_into()?)
    }

    pub(crate) fn client_tls(&self, expect: Expect) -> Result<QuicClientConfig, TlsError> {
        let mut tls = rustls::ClientConfig::builder_with_provider(verify::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous() // the verifier checks the chain and, in place of a host name, the SPIFFE id
            .with_custom_certificate_verifier(self.verifier(expect))
            .with_client_cert_resolver(Arc::new(Resolver(self.clone())));
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.resumption = rustls::client::Resumption::disabled();
        Ok(tls.try_into()?)
    }
}

/// Why TLS cannot be configured: a bug or an unusable provider, never input.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// rustls refused.
    #[error("tls cannot be configured")]
    Rustls(#[from] rustls::Error),
    /// The provider lacks QUIC's initial cipher suite.
    #[error("the tls provider lacks TLS13_AES_128_GCM_SHA256")]
    Suite(#[from] NoInitialCipherSuite),
}

/// What the watcher saw last, so that each bad content is logged once.
#[derive(Default)]
struct Seen {
    refused: Option<Pem>,
    unreadable: bool,
}

impl Seen {
    async fn poll(&mut self, identity: &Identity, dir: PathBuf) {
        let shown = dir.display().to_string();
        let read = tokio::task::spawn_blocking(move || Pem::read(&dir)).await;
        let pem = match read {
            Ok(Ok(pem)) => pem,
            Ok(Err(error)) => {
                if !std::mem::replace(&mut self.unreadable, true) {
                    tracing::error!(
                        dir = shown,
                        error = chain(&error),
                        "identity kept: unreadable"
                    );
                }
                return;
            }
            Err(_) => return, // the runtime is going down
        };
        self.unreadable = false;
        if *identity.current().pem() == pem || self.refused.as_ref() == Some(&pem) {
            return;
        }
        match Material::parse(pem.clone())
            .map_err(RotateError::from)
            .and_then(|m| identity.rotate(m))
        {
            Ok(()) => {
                self.refused = None;
                tracing::info!(id = %identity.id(), dir = shown, "identity rotated");
            }
            Err(error) => {
                self.refused = Some(pem);
                tracing::error!(
                    dir = shown,
                    error = chain(&error),
                    "identity kept: new files refused"
                );
            }
        }
    }
}

/// Joins an error and its causes with `: `.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Hands out the current key in both roles.
#[derive(Debug)]
struct Resolver(Identity);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load().key.clone())
    }
}

impl ResolvesClientCert for Resolver {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load().key.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
