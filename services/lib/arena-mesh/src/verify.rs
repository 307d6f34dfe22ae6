//! The rules of SPIFFE X.509 identities, and rustls verifiers that enforce them.

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

use crate::{SpiffeId, identity::Identity, material::system_time, spiffe::SpiffeIdError};

/// Which rule of SPIFFE X509-SVID (section 4 and 5) a leaf breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Not an X.509 certificate.
    #[error("it does not parse as X.509")]
    NotX509,
    /// Not exactly one URI among the subject alternative names.
    #[error("it has {count} URI names, exactly one is needed")]
    UriNames {
        /// How many were found.
        count: usize,
    },
    /// The URI is no id of ours.
    #[error("its URI name is not an id")]
    Id {
        /// The cause.
        #[source]
        source: SpiffeIdError,
    },
    /// A certificate that may sign others.
    #[error("it is a CA certificate, a leaf is needed")]
    IsCa,
    /// Client or server use is missing.
    #[error("its extended key usage lacks client or server authentication")]
    KeyUsage,
}

/// What a leaf says.
#[derive(Clone, Debug)]
pub(crate) struct LeafFacts {
    pub(crate) id: SpiffeId,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

/// Parses a leaf and enforces the rules; the signature is checked elsewhere.
pub(crate) fn leaf_facts(der: &CertificateDer<'_>) -> Result<LeafFacts, CertificateFault> {
    let (_, leaf) =
        x509_parser::parse_x509_certificate(der).map_err(|_| CertificateFault::NotX509)?;
    check_usage(&leaf)?;
    let names = leaf.subject_alternative_name().map_err(|_| CertificateFault::NotX509)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None })
        .collect();
    let [uri] = uris.as_slice() else {
        return Err(CertificateFault::UriNames { count: uris.len() });
    };
    Ok(LeafFacts {
        id: uri.parse().map_err(|source| CertificateFault::Id { source })?,
        not_before: system_time(leaf.validity().not_before.timestamp()),
        not_after: system_time(leaf.validity().not_after.timestamp()),
    })
}

fn check_usage(leaf: &X509Certificate<'_>) -> Result<(), CertificateFault> {
    let signs = leaf
        .key_usage()
        .map_err(|_| CertificateFault::NotX509)?
        .is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign());
    if leaf.is_ca() || signs {
        return Err(CertificateFault::IsCa);
    }
    let both = leaf
        .extended_key_usage()
        .map_err(|_| CertificateFault::NotX509)?
        .is_some_and(|usage| usage.value.client_auth && usage.value.server_auth);
    if both { Ok(()) } else { Err(CertificateFault::KeyUsage) }
}

/// Returns the one cryptography provider of the mesh.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

/// Returns the provider's signature algorithms.
pub(crate) fn algorithms() -> WebPkiSupportedAlgorithms {
    provider().signature_verification_algorithms
}

fn refused() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

/// Whom a client expects to meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Expect {
    pub(crate) service: Option<Arc<str>>,
    pub(crate) instance: Option<Arc<str>>,
}

impl Expect {
    fn accepts(&self, own_cluster: &str, id: &SpiffeId) -> bool {
        id.cluster() == own_cluster
            && self.service.as_deref().is_none_or(|service| service == id.service())
            && self.instance.as_deref().is_none_or(|instance| instance == id.instance())
    }
}

/// The verifier of one side of one connection, over the identity's current roots.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) identity: Identity,
    pub(crate) expect: Expect,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>, // a URI cannot be a server name; the id is checked instead
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let own = self.identity.current();
        rustls::client::verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(leaf)?,
            &own.roots,
            intermediates,
            now,
            algorithms().all,
        )?;
        let facts = leaf_facts(leaf)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if !self.expect.accepts(own.id.cluster(), &facts.id) {
            return Err(refused());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(refused()) // QUIC is TLS 1.3 only
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, leaf, signed, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let own = self.identity.current();
        let verified = WebPkiClientVerifier::builder_with_provider(own.roots.clone(), provider())
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_client_cert(leaf, intermediates, now)?;
        let facts = leaf_facts(leaf)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if !self.expect.accepts(own.id.cluster(), &facts.id) {
            return Err(refused());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, leaf, signed, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}
