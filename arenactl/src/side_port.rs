//! The instance contract over HTTP, as a client: `/readyz`, `/instance`, `/metrics`, `/drain`.

use std::net::SocketAddr;
use std::time::Duration;

use arena_types::contract::{DrainRequest, InstanceReport, InstanceState, NotReady};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An instance that needs longer for a probe is not healthy.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Largest answer: a report is a few hundred bytes, the metrics of a busy game some 20 KiB.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Why an instance did not answer as the contract says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SidePortError {
    /// No connection or no answer in time.
    #[error("no answer from {address}: {why}")]
    Unreachable {
        /// The side port.
        address: SocketAddr,
        /// What failed.
        why: String,
    },
    /// An answer that the contract does not know.
    #[error("{address} answered {method} {path} with {status}: {body}")]
    Refused {
        /// The side port.
        address: SocketAddr,
        /// The method used.
        method: Method,
        /// The path asked for.
        path: &'static str,
        /// The answer's status.
        status: StatusCode,
        /// The answer's first bytes.
        body: String,
    },
}

/// What an instance says of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Probe {
    /// Its report, or why there is none.
    pub report: Result<InstanceReport, String>,
    /// Why it is not ready, where it matters.
    pub not_ready: Option<String>,
}

/// Asks for the report and, where that alone does not tell, for the readiness.
pub(crate) async fn probe(address: SocketAddr) -> Probe {
    let report = match report(address).await {
        Ok(report) => report,
        Err(error) => return Probe { report: Err(error.to_string()), not_ready: None },
    };
    let asks = matches!(report.state, InstanceState::Starting | InstanceState::Ready);
    let not_ready = if asks {
        readiness(address).await.unwrap_or_else(|error| Err(error.to_string())).err()
    } else {
        None
    };
    Probe { report: Ok(report), not_ready }
}

/// Asks whether the instance is ready; `Err` inside is the reason it gives.
async fn readiness(address: SocketAddr) -> Result<Result<(), String>, SidePortError> {
    let answer = call(address, Method::GET, "/readyz", None, Bytes::new()).await?;
    if answer.status.is_success() {
        return Ok(Ok(()));
    }
    let reason = serde_json::from_slice::<NotReady>(&answer.body).map(|it| it.reason);
    Ok(Err(reason.unwrap_or_else(|_| answer.text())))
}

/// Asks for the instance's report.
async fn report(address: SocketAddr) -> Result<InstanceReport, SidePortError> {
    let answer = call(address, Method::GET, "/instance", None, Bytes::new()).await?;
    let parsed = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status.is_success());
    parsed.ok_or_else(|| answer.refused(address, Method::GET, "/instance"))
}

/// Asks for all metrics, as Prometheus does.
pub(crate) async fn metrics(address: SocketAddr) -> Result<String, SidePortError> {
    let answer = call(address, Method::GET, "/metrics", None, Bytes::new()).await?;
    if !answer.status.is_success() {
        return Err(answer.refused(address, Method::GET, "/metrics"));
    }
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}

/// Starts a drain.
pub(crate) async fn drain(
    address: SocketAddr,
    token: &str,
    request: DrainRequest,
) -> Result<(), SidePortError> {
    let body = serde_json::to_vec(&request).expect("our own types serialise to JSON");
    let answer = call(address, Method::POST, "/drain", Some(token), body.into()).await?;
    answer.accepted(address, Method::POST, "/drain")
}

/// Cancels a drain: the instance takes new work again.
pub(crate) async fn undrain(address: SocketAddr, token: &str) -> Result<(), SidePortError> {
    let answer = call(address, Method::DELETE, "/drain", Some(token), Bytes::new()).await?;
    answer.accepted(address, Method::DELETE, "/drain")
}

struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(200).collect()
    }

    fn refused(&self, address: SocketAddr, method: Method, path: &'static str) -> SidePortError {
        SidePortError::Refused { address, method, path, status: self.status, body: self.text() }
    }

    fn accepted(
        &self,
        address: SocketAddr,
        method: Method,
        path: &'static str,
    ) -> Result<(), SidePortError> {
        let is_accepted = self.status.is_success();
        if is_accepted { Ok(()) } else { Err(self.refused(address, method, path)) }
    }
}

async fn call(
    address: SocketAddr,
    method: Method,
    path: &'static str,
    token: Option<&str>,
    body: Bytes,
) -> Result<Answer, SidePortError> {
    let attempt = exchange(address, method, path, token, body);
    let why = match timeout(PROBE_TIMEOUT, attempt).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("nothing within {} s", PROBE_TIMEOUT.as_secs()),
    };
    Err(SidePortError::Unreachable { address, why })
}

async fn exchange(
    address: SocketAddr,
    method: Method,
    path: &'static str,
    token: Option<&str>,
    body: Bytes,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = sender.send_request(request.body(Full::new(body))?).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await?.to_bytes();
    connection.abort();
    Ok(Answer { status, body })
}
