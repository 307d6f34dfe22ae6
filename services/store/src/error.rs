//! Why the service does not run.

use arena_instance::StartError;
use arena_mesh::ServeError;
use arena_store_embedded::OpenError;

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The instance does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The mesh port cannot be served.
    #[error("serve the mesh port")]
    Mesh(#[from] ServeError),
    /// The stores' files cannot be opened.
    #[error("open the stores: {help}")]
    Open {
        /// What to do about it.
        help: String,
        /// What is wrong.
        source: OpenError,
    },
}

impl From<OpenError> for ServiceError {
    fn from(source: OpenError) -> Self {
        Self::Open { help: source.help(), source }
    }
}
