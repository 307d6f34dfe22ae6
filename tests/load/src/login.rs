//! The login by REST, as the page does it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A login that takes longer is none, and is tried again: as long as a welcome may take.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(8);
/// Bytes of an answer: two tokens and a name.
const ANSWER_LEN_MAX: usize = 16 << 10;

/// Why a player cannot log in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("log in at `{authority}` within {LOGIN_TIMEOUT:?}")]
    Timeout { authority: String },
    #[error("connect to `{authority}`")]
    Connect { authority: String, source: std::io::Error },
    #[error("speak HTTP with the gateway")]
    Http(#[from] hyper::Error),
    #[error("log in: the gateway answers {status}")]
    Refused { status: StatusCode },
    #[error("read the answer of the gateway: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("read the session in the answer of the gateway")]
    Json(#[from] serde_json::Error),
}

/// Why an address is no gateway's.
#[derive(Debug, thiserror::Error)]
#[error("use `{url}` as a gateway: give it as http://HOST:PORT")]
pub struct UrlError {
    url: String,
}

/// Where a gateway is.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    authority: String,
}

#[derive(Deserialize)]
struct Session {
    access_token: String,
}

impl Gateway {
    /// Reads `http://host:port`.
    pub(crate) fn parse(url: &str) -> Result<Self, UrlError> {
        let refused = || UrlError { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| refused())?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) if authority.port().is_some() => {
                Ok(Self { authority: authority.to_string() })
            }
            _ => Err(refused()),
        }
    }

    /// Returns the address of its WebSocket, or of the one at `endpoint` if that is given.
    pub(crate) fn play_url(&self, endpoint: &str) -> String {
        match endpoint {
            "" => format!("ws://{}/v1/play", self.authority),
            endpoint => format!("{endpoint}/v1/play"),
        }
    }

    /// Returns an access token for the device with `secret`.
    pub(crate) async fn login(&self, secret: &[u8], name: &str) -> Result<String, LoginError> {
        let late = |_| Err(LoginError::Timeout { authority: self.authority.clone() });
        timeout(LOGIN_TIMEOUT, self.try_login(secret, name)).await.unwrap_or_else(late)
    }

    async fn try_login(&self, secret: &[u8], name: &str) -> Result<String, LoginError> {
        let authority = self.authority.clone();
        let stream = TcpStream::connect(&authority)
            .await
            .map_err(|source| LoginError::Connect { authority: authority.clone(), source })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let login = serde_json::json!({
            "device_secret": URL_SAFE_NO_PAD.encode(secret),
            "display_name": name,
        });
        let request = Request::post("/v1/login/device")
            .header(header::HOST, &authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(login.to_string())))
            .expect("a path and two headers are a request");
        let response = sender.send_request(request).await?;
        let status = response.status();
        if !status.is_success() {
            driver.abort();
            return Err(LoginError::Refused { status });
        }
        let body = Limited::new(response.into_body(), ANSWER_LEN_MAX);
        let body = body.collect().await.map_err(LoginError::Body)?.to_bytes();
        driver.abort();
        Ok(serde_json::from_slice::<Session>(&body)?.access_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_host_and_port() {
        let gateway = Gateway::parse("http://127.0.0.1:8080").unwrap();
        assert_eq!(gateway.play_url(""), "ws://127.0.0.1:8080/v1/play");
        assert_eq!(gateway.play_url("ws://127.0.0.1:9"), "ws://127.0.0.1:9/v1/play");
        for url in ["127.0.0.1:8080", "https://localhost:1", "http://localhost", "", "http://"] {
            assert!(Gateway::parse(url).is_err(), "{url}");
        }
    }
}
