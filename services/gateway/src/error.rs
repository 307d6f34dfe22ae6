//! Why the gateway cannot run.

/// Why the gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The instance cannot be set up.
    #[error(transparent)]
    Start(#[from] arena_instance::StartError),
    /// A secret is missing or wrong.
    #[error(transparent)]
    Secret(#[from] arena_env::SecretError),
    /// The certificate of the public port cannot be used.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// The mesh port cannot be served.
    #[error("serve the mesh port")]
    Mesh(#[from] arena_mesh::ServeError),
    /// There is no public port.
    #[error("serve players: set ARENA_PUBLIC_ADDR or pass a socket named `public`")]
    NoPublicPort,
    /// The public port cannot be used.
    #[error("serve the public port")]
    Public(#[source] std::io::Error),
}
