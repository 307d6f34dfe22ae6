//! Where an engine listens, and the certificates that open its port.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The engine of this machine.
pub const DEFAULT_ENDPOINT: &str = "unix:///var/run/docker.sock";
/// The port of an engine that speaks plain text.
const PLAIN_PORT: u16 = 2375;
/// The port of an engine that speaks TLS.
const TLS_PORT: u16 = 2376;

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket of this machine.
    Unix {
        /// Its absolute path.
        path: PathBuf,
    },
    /// A port, in plain text or TLS.
    Tcp {
        /// Name or address, IPv6 in brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// `docker system dial-stdio` on another machine.
    Ssh {
        /// `[user@]host[:port]`, or a name of `~/.ssh/config`.
        destination: String,
    },
}

/// The files of a client certificate, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The authority that signed the engine's certificate.
    pub ca: PathBuf,
    /// The certificate that names this client.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Why an endpoint cannot be used as it is given.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// It is not an address of an engine.
    #[error("`{endpoint}` is no address of a docker engine: {reason}")]
    Malformed {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It would be spoken to in plain text, over a network.
    #[error("`{endpoint}` would be spoken to without TLS")]
    Unprotected {
        /// What was given.
        endpoint: String,
    },
    /// A certificate or key cannot be used.
    #[error("cannot use `{}`", path.display())]
    CertificateFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EndpointError {
    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Malformed { .. } => {
                "use `unix:///var/run/docker.sock`, `tcp://HOST:2376` or `ssh://USER@HOST`".to_owned()
            }
            Self::Unprotected { .. } => {
                "name client certificates: `DOCKER_CERT_PATH=DIR` with ca.pem, cert.pem and key.pem; or use `ssh://`"
                    .to_owned()
            }
            Self::CertificateFile { path, .. } => {
                format!("check that `{}` is PEM and yours to read", path.display())
            }
        }
    }
}

impl Endpoint {
    /// Says whether its traffic stays on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Unix { .. } => true,
            Self::Ssh { .. } => false,
            Self::Tcp { host, .. } => {
                let address = host.trim_start_matches('[').trim_end_matches(']');
                host == "localhost"
                    || address.parse().is_ok_and(|it: std::net::IpAddr| it.is_loopback())
            }
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(endpoint: &str) -> Result<Self, EndpointError> {
        let wrong = |reason| EndpointError::Malformed { endpoint: endpoint.to_owned(), reason };
        let (scheme, rest) = endpoint.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix { path: PathBuf::from(rest) }),
            "unix" => Err(wrong("the path of a socket begins with `/`")),
            "tcp" => tcp(rest.trim_end_matches('/')).map_err(wrong),
            "ssh" => match rest.trim_end_matches('/') {
                // A destination that begins with a dash would be an option of `ssh`.
                "" => Err(wrong("it has no host")),
                rest if rest.starts_with('-') || rest.contains(['/', ' ']) => {
                    Err(wrong("after `ssh://` comes `[user@]host[:port]`"))
                }
                rest => Ok(Self::Ssh { destination: rest.to_owned() }),
            },
            _ => Err(wrong("its scheme is none of unix, tcp, ssh")),
        }
    }
}

fn tcp(rest: &str) -> Result<Endpoint, &'static str> {
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().map_err(|_| "its port is no number up to 65535")?)
        }
        _ => (rest, if Tls::from_environment().is_some() { TLS_PORT } else { PLAIN_PORT }),
    };
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err("after `tcp://` comes `host[:port]`");
    }
    Ok(Endpoint::Tcp { host: host.to_owned(), port })
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { path } => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Ssh { destination } => write!(f, "ssh://{destination}"),
        }
    }
}

impl Tls {
    /// Returns the files in a folder, named as Docker names them.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name);
        Self { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") }
    }

    /// Returns the files in the folder that `DOCKER_CERT_PATH` names, if it does.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let folder = std::env::var_os("DOCKER_CERT_PATH").filter(|it| !it.is_empty())?;
        Some(Self::in_folder(Path::new(&folder)))
    }

    /// Reads all three files.
    ///
    /// # Errors
    /// [`EndpointError::CertificateFile`] for the first that cannot be used.
    pub fn check(&self) -> Result<(), EndpointError> {
        for path in [&self.ca, &self.cert] {
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let certificates = certificates.map_err(|error| unusable(path, error))?;
            if certificates.is_empty() {
                return Err(unusable(path, "there is no certificate in it"));
            }
        }
        PrivateKeyDer::from_pem_file(&self.key).map_err(|error| unusable(&self.key, error))?;
        Ok(())
    }
}

fn unusable(
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> EndpointError {
    EndpointError::CertificateFile { path: path.to_owned(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_reads_as_it_is_written() {
        for text in [
            "unix:///run/docker.sock",
            "tcp://10.0.0.1:2376",
            "tcp://[::1]:2375",
            "ssh://ops@m1:22",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        let wrong = [
            "",
            "docker.sock",
            "unix://docker.sock",
            "tcp://",
            "tcp://:2375",
            "tcp://host:99999",
            "tcp://me@host:1",
            "ssh://",
            "ssh://-oProxyCommand=x",
            "npipe:////./pipe/docker_engine",
        ];
        for text in wrong {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_loopback_needs_no_certificate() {
        for (text, is_loopback) in [
            ("tcp://127.0.0.1:1", true),
            ("tcp://localhost:1", true),
            ("tcp://[::1]:1", true),
            ("tcp://localhost.example:1", false),
            ("tcp://0.0.0.0:1", false),
            ("tcp://10.0.0.1:1", false),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().is_loopback(), is_loopback, "{text}");
        }
    }

    #[test]
    fn a_certificate_that_is_none_names_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let tls = Tls::in_folder(folder.path());
        std::fs::write(&tls.ca, "not PEM").unwrap();
        let error = tls.check().unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}
