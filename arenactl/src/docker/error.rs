//! Why an engine did not do what it was asked.

use std::error::Error;
use std::io;

use bollard::errors::Error as BollardError;

use super::endpoint::EndpointError;
use super::ssh::SshFailed;

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// Its address cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Nobody answers there.
    #[error("no docker engine answers at `{endpoint}`")]
    Unreachable {
        /// Its address.
        endpoint: String,
        /// What the network says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Its socket is not this user's to open.
    #[error("user may not open the docker engine's socket at `{endpoint}`")]
    NotPermitted {
        /// Its address.
        endpoint: String,
        /// The system's answer.
        source: Box<dyn Error + Send + Sync>,
    },
    /// One side does not accept the other's certificate.
    #[error("certificate not accepted between arenactl and the docker engine at `{endpoint}`")]
    Certificate {
        /// Its address.
        endpoint: String,
        /// What TLS says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It lacks what is used here.
    #[error("engine too old: `{endpoint}` speaks API {api}, at least 1.41 is needed")]
    TooOld {
        /// Its address.
        endpoint: String,
        /// The newest API it speaks.
        api: String,
    },
    /// What answers there is not an engine.
    #[error("what answers at `{endpoint}` is no docker engine")]
    NoEngine {
        /// Its address.
        endpoint: String,
        /// What could not be understood.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It was asked and did not begin to answer in time.
    #[error("docker engine at `{endpoint}` does not answer in time")]
    TimedOut {
        /// Its address.
        endpoint: String,
    },
    /// It refuses.
    #[error("docker engine refuses ({status}): {message}")]
    Refused {
        /// The HTTP status: 404 unknown, 409 taken, 500 also for what it was asked to do out of turn.
        status: u16,
        /// Its own words.
        message: String,
    },
    /// It began and failed, in its own words.
    #[error("docker engine failed: {message}")]
    Failed {
        /// Its own words.
        message: String,
    },
    /// The connection broke in the middle of an answer.
    #[error("connection to the docker engine at `{endpoint}` was lost")]
    Lost {
        /// Its address.
        endpoint: String,
        /// What the network says.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl DockerError {
    /// Sorts what the client library says about the engine at `endpoint`.
    #[must_use]
    pub fn of(endpoint: &str, error: BollardError) -> Self {
        let at = endpoint.to_owned();
        match error {
            BollardError::DockerResponseServerError { status_code: status, message } => {
                Self::Refused { status, message: message.trim().to_owned() }
            }
            BollardError::DockerStreamError { error } => Self::Failed { message: error },
            BollardError::RequestTimeoutError => Self::TimedOut { endpoint: at },
            BollardError::SocketNotFoundError(_) => Self::Unreachable {
                endpoint: at,
                source: Box::new(io::Error::from(io::ErrorKind::NotFound)),
            },
            BollardError::HyperLegacyError { err } if !err.is_connect() => broken(at, err.into()),
            BollardError::HyperLegacyError { err } => unconnected(at, err.into()),
            BollardError::HyperResponseError { err } => broken(at, err.into()),
            BollardError::IOError { err } => broken(at, err.into()),
            error @ (BollardError::CertPathError { .. }
            | BollardError::CertMultipleKeys { .. }
            | BollardError::CertParseError { .. }
            | BollardError::NoNativeCertsError { .. }
            | BollardError::LoadNativeCertsErrors { .. }) => {
                Self::Certificate { endpoint: at, source: error.into() }
            }
            error => Self::NoEngine { endpoint: at, source: error.into() },
        }
    }

    /// Returns the HTTP status of a refusal.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Endpoint(error) => error.help(),
            Self::Unreachable { endpoint, .. } | Self::TimedOut { endpoint } => {
                format!("check that it runs: `docker -H {endpoint} version`")
            }
            Self::NotPermitted { .. } => {
                "add yourself to the group of the socket (`usermod -aG docker $USER`), or use `ssh://`".to_owned()
            }
            Self::Certificate { .. } => {
                "check that ca.pem signed the engine's certificate for this host, that the engine's authority signed \
                 cert.pem, and that neither has expired"
                    .to_owned()
            }
            Self::TooOld { .. } => "update the engine to 20.10 or newer".to_owned(),
            Self::NoEngine { endpoint, .. } => {
                format!("check the address: `{endpoint}` must be that of dockerd, with `https` only if you gave certificates")
            }
            Self::Refused { .. } | Self::Failed { .. } => {
                "look into the engine's own log: `journalctl -u docker`".to_owned()
            }
            Self::Lost { .. } => "run the command again; it goes on where it was".to_owned(),
        }
    }
}

/// No connection was made.
fn unconnected(endpoint: String, source: Box<dyn Error + Send + Sync>) -> DockerError {
    let is_denied = |error: &(dyn Error + 'static)| {
        error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    if is_about_tls(source.as_ref()) {
        DockerError::Certificate { endpoint, source }
    } else if any(source.as_ref(), &is_denied) {
        DockerError::NotPermitted { endpoint, source }
    } else {
        DockerError::Unreachable { endpoint, source }
    }
}

/// A connection was made and did not carry the whole answer. An engine that does not accept the client's
/// certificate says so after the handshake.
fn broken(endpoint: String, source: Box<dyn Error + Send + Sync>) -> DockerError {
    if is_about_tls(source.as_ref()) {
        DockerError::Certificate { endpoint, source }
    } else if any(source.as_ref(), &|error| error.is::<SshFailed>()) {
        DockerError::Unreachable { endpoint, source }
    } else if is_unparsable(source.as_ref()) {
        DockerError::NoEngine { endpoint, source }
    } else {
        DockerError::Lost { endpoint, source }
    }
}

fn is_about_tls(error: &(dyn Error + 'static)) -> bool {
    any(error, &|error| error.is::<rustls::Error>())
}

fn is_unparsable(error: &(dyn Error + 'static)) -> bool {
    any(error, &|error| error.downcast_ref().is_some_and(hyper::Error::is_parse))
}

/// Says whether the error or one of its causes is meant. An `io::Error` shows its inner error's cause as its own,
/// and the inner error only when asked.
fn any(error: &(dyn Error + 'static), is_meant: &dyn Fn(&(dyn Error + 'static)) -> bool) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let inner = inner.map(|inner| inner as &(dyn Error + 'static));
    is_meant(error)
        || inner.is_some_and(|inner| any(inner, is_meant))
        || error.source().is_some_and(|source| any(source, is_meant))
}
