//! A Docker Engine: how it is reached, what it may refuse, and who one is to a registry.

mod credentials;
mod endpoint;
mod error;
mod ssh;

use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker};
use hyper::Uri;
use hyper::header::HeaderValue;

pub use credentials::{CredentialError, Login, Logins, registry_of};
pub use endpoint::{DEFAULT_ENDPOINT, Endpoint, EndpointError, Tls};
pub use error::DockerError;

/// The oldest API that has all that is used here: that of engine 20.10.
const API_VERSION_MIN: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };
/// How long an engine may take to answer its first question, a login over SSH included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an engine may take to begin an answer. The slowest one asks a registry first, or other managers.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// Headers that carry credentials, as base64 of JSON.
const CREDENTIAL_HEADERS: &[&str] = &["x-registry-auth", "x-registry-config"];

/// Connects to the engine at `unix://PATH`, `tcp://HOST[:PORT]` or `ssh://[USER@]HOST[:PORT]` and agrees on the
/// version of the API, the newest that both know.
///
/// TCP needs client certificates, `tls` or those in the folder `DOCKER_CERT_PATH`; without any, only an engine on
/// the loopback is spoken to in plain text, since whoever reaches that port is root there.
///
/// # Errors
/// [`DockerError`]; [`DockerError::TooOld`] below API 1.41.
pub async fn connect(endpoint: &str, tls: Option<&Tls>) -> Result<Docker, DockerError> {
    let found: Endpoint = endpoint.parse()?;
    let tls = tls.cloned().or_else(Tls::from_environment);
    let failed = |error| DockerError::of(endpoint, error);
    let docker = open(&found, tls.as_ref())?.with_timeout(CONNECT_TIMEOUT);
    let docker = docker.negotiate_version().await.map_err(failed)?;
    let version = docker.client_version();
    if version < API_VERSION_MIN {
        let (endpoint, api) = (endpoint.to_owned(), version.to_string());
        return Err(DockerError::TooOld { endpoint, api });
    }
    let docker = docker.with_timeout(ANSWER_TIMEOUT);
    Ok(docker.with_request_modifier(move |request| corrected(request, version)))
}

fn open(endpoint: &Endpoint, tls: Option<&Tls>) -> Result<Docker, DockerError> {
    let timeout_s = CONNECT_TIMEOUT.as_secs();
    let text = endpoint.to_string();
    let opened = match (endpoint, tls) {
        (Endpoint::Unix { .. }, _) => {
            Docker::connect_with_unix(&text, timeout_s, API_DEFAULT_VERSION)
        }
        (Endpoint::Ssh { destination }, _) => ssh::open(destination, timeout_s),
        (Endpoint::Tcp { .. }, Some(tls)) => {
            tls.check()?; // The client would skip a broken certificate and say nothing.
            let Tls { ca, cert, key } = tls;
            Docker::connect_with_ssl(&text, key, cert, ca, timeout_s, API_DEFAULT_VERSION)
        }
        (Endpoint::Tcp { .. }, None) if endpoint.is_loopback() => {
            Docker::connect_with_http(&text, timeout_s, API_DEFAULT_VERSION)
        }
        (Endpoint::Tcp { .. }, None) => {
            return Err(EndpointError::Unprotected { endpoint: text }.into());
        }
    };
    opened.map_err(|error| DockerError::of(&text, error))
}

/// Corrects two things that bollard 0.21 sends: paths without the agreed version, which an engine reads as its own
/// newest one, and credentials in the alphabet of base64 that an engine does not decode.
fn corrected(mut request: BollardRequest, version: ClientVersion) -> BollardRequest {
    if let Some(uri) = versioned(request.uri(), version) {
        *request.uri_mut() = uri;
    }
    for name in CREDENTIAL_HEADERS {
        let Some(value) = request.headers_mut().get_mut(*name) else { continue };
        let text: Vec<u8> = value.as_bytes().iter().map(|byte| url_safe(*byte)).collect();
        if let Ok(mut corrected) = HeaderValue::from_bytes(&text) {
            corrected.set_sensitive(true);
            *value = corrected;
        }
    }
    request
}

const fn url_safe(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        byte => byte,
    }
}

/// Returns the address with the version before its path, or `None` if it has one.
fn versioned(uri: &Uri, version: ClientVersion) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", |it| it.as_str());
    if path.starts_with("/v1.") {
        return None;
    }
    parts.path_and_query = Some(format!("/v{version}{path}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gets_the_agreed_version_once() {
        let version = ClientVersion { major_version: 1, minor_version: 41 };
        let uri: Uri = "unix://2f746d70/services?filters=%7B%7D".parse().unwrap();
        let once = versioned(&uri, version).unwrap();
        assert_eq!(once.to_string(), "unix://2f746d70/v1.41/services?filters=%7B%7D");
        assert_eq!(versioned(&once, version), None);
    }

    #[test]
    fn credentials_are_sent_in_the_alphabet_that_an_engine_decodes() {
        let request = hyper::Request::builder().header("X-Registry-Auth", "fn5+Pz8/");
        let request = request.body(bollard::body_full(bytes::Bytes::new())).unwrap();
        let version = ClientVersion { major_version: 1, minor_version: 41 };
        let request = corrected(request, version);
        assert_eq!(request.headers()["x-registry-auth"].as_bytes(), b"fn5-Pz8_");
        assert!(!format!("{:?}", request.headers()).contains("fn5"));
    }

    #[tokio::test]
    async fn plain_tcp_to_another_machine_is_refused() {
        let error = connect("tcp://192.0.2.1:2375", None).await.unwrap_err();
        assert!(
            matches!(error, DockerError::Endpoint(EndpointError::Unprotected { .. })),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_unreachable() {
        for endpoint in ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "ssh://me@127.0.0.1:1"]
        {
            let error = connect(endpoint, None).await.unwrap_err();
            assert!(matches!(error, DockerError::Unreachable { .. }), "{endpoint}: {error:?}");
            assert!(!error.help().is_empty());
        }
    }

    #[tokio::test]
    async fn an_engine_older_than_20_10_is_refused() {
        let (endpoint, _server) = canned(r#"{"ApiVersion":"1.40"}"#).await;
        let error = connect(&endpoint, None).await.unwrap_err();
        let DockerError::TooOld { api, .. } = error else { panic!("{error:?}") };
        assert_eq!(api, "1.40");
    }

    #[tokio::test]
    async fn a_server_that_is_no_engine_is_told_from_one() {
        let (endpoint, _server) = canned("<html>").await;
        let error = connect(&endpoint, None).await.unwrap_err();
        assert!(matches!(error, DockerError::NoEngine { .. }), "{error:?}");
    }

    /// Serves one answer to every question.
    async fn canned(body: &'static str) -> (String, tokio::task::JoinHandle<()>) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = stream.write_all(head.as_bytes()).await;
            }
        });
        (endpoint, server)
    }
}
