//! The side port: the instance contract over HTTP.

use std::net::TcpListener;
use std::sync::Arc;

use arena_env::Secret;
use arena_telemetry::{Metrics, names};
use arena_types::contract::{BackendReport, DrainRequest, InstanceReport, NotReady};
use futures::StreamExt as _;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;
use warp::Filter as _;
use warp::http::{HeaderMap, Method, StatusCode, header};

use crate::Settings;
use crate::control::{Control, Status};
use crate::lifecycle::Event;

/// Largest body: a [`DrainRequest`] is below 100 bytes.
const BODY_BYTES_MAX: usize = 4 << 10;
/// Longest drain: a day is beyond every match, so more is a mistyped unit.
const DEADLINE_S_MAX: u64 = 24 * 3600;

type Response = warp::http::Response<String>;

/// What the side port answers from.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) settings: Arc<Settings>,
    pub(crate) control: Control,
    pub(crate) metrics: Metrics,
    pub(crate) token: Secret,
    pub(crate) schema: &'static [(&'static str, u32)],
    pub(crate) capacity: watch::Receiver<u32>,
    pub(crate) backend: watch::Receiver<Option<BackendReport>>,
}

/// Every answer that is not a success.
#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
    help: &'a str,
}

impl Side {
    /// Serves until the process ends: a stopping instance still answers.
    pub(crate) fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        let requests = self.metrics.counters(&names::SIDE_REQUESTS);
        let side = Arc::new(self);
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let answer = warp::method()
            .and(warp::path::full())
            .and(warp::header::headers_cloned())
            .and(warp::body::stream())
            .then(move |method: Method, path: warp::path::FullPath, headers: HeaderMap, body| {
                let (side, requests) = (side.clone(), requests.clone());
                async move {
                    let response = match read(body).await {
                        Ok(body) => side.answer(&method, path.as_str(), &headers, &body).await,
                        Err(refusal) => refusal,
                    };
                    let known = known_path(path.as_str()).unwrap_or("other");
                    let status = response.status();
                    let series = [known, status.as_str()];
                    requests.get_or_create(&names::SIDE_REQUESTS.series(series)).inc();
                    response
                }
            });
        tokio::spawn(warp::serve(answer).incoming(listener).run());
        Ok(())
    }

    async fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Response {
        match (method, path) {
            (&Method::GET, "/livez") => json(StatusCode::OK, &serde_json::json!({ "live": true })),
            (&Method::GET, "/readyz") => self.readiness(),
            (&Method::GET, "/instance") => json(StatusCode::OK, &self.report()),
            (&Method::GET, "/metrics") => self.exposition(),
            (&Method::POST | &Method::DELETE, "/drain") if !self.is_authorised(headers) => refuse(
                StatusCode::UNAUTHORIZED,
                "the drain token is missing or wrong",
                "send `Authorization: Bearer <content of the secret drain_token>`",
            ),
            (&Method::POST, "/drain") => self.drain(body).await,
            (&Method::DELETE, "/drain") => self.change(Event::CancelDrain).await,
            (_, path) if known_path(path).is_some() => refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path has no such method",
                "GET /livez /readyz /instance /metrics, POST or DELETE /drain",
            ),
            _ => refuse(
                StatusCode::NOT_FOUND,
                "there is no such path",
                "GET /livez /readyz /instance /metrics, POST or DELETE /drain",
            ),
        }
    }

    fn readiness(&self) -> Response {
        let status = self.control.status();
        match status.borrow().life.not_ready() {
            None => json(StatusCode::OK, &serde_json::json!({ "ready": true })),
            Some(reason) => {
                json(StatusCode::SERVICE_UNAVAILABLE, &NotReady { reason: reason.to_owned() })
            }
        }
    }

    fn report(&self) -> InstanceReport {
        let Status { life, drain } = self.control.status().borrow().clone();
        let drain = drain.map(|it| it.report(Instant::now(), life.load()));
        InstanceReport {
            service: self.settings.service.clone(),
            instance: self.settings.instance.clone(),
            region: self.settings.region.clone(),
            release: self.settings.release,
            state: life.state(),
            sessions: life.load().sessions,
            matches: life.load().matches,
            moving: life.load().moving,
            shadows: life.load().shadows,
            capacity: *self.capacity.borrow(),
            schema: self.schema.iter().map(|(name, it)| ((*name).to_owned(), *it)).collect(),
            backend: self.backend.borrow().clone(),
            drain_left_s: drain.map(|it| it.left_s),
            drain,
        }
    }

    fn exposition(&self) -> Response {
        const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let mut response = Response::new(self.metrics.print());
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(OPEN_METRICS));
        response
    }

    fn is_authorised(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
        let token = value.and_then(|it| it.strip_prefix("Bearer "));
        token.is_some_and(|it| self.token.is_presented_by(it))
    }

    async fn drain(&self, body: &[u8]) -> Response {
        let help = r#"send {"deadline_s": 600, "mode": "wait" or "migrate", "at_deadline": "keep" or "end"}"#;
        match serde_json::from_slice::<DrainRequest>(body) {
            Ok(it) if (1..=DEADLINE_S_MAX).contains(&it.deadline_s) => {
                self.change(Event::Drain(it)).await
            }
            Ok(_) => {
                let error = format!("deadline_s must be 1 to {DEADLINE_S_MAX}");
                refuse(StatusCode::BAD_REQUEST, &error, help)
            }
            Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string(), help),
        }
    }

    async fn change(&self, event: Event) -> Response {
        if self.control.apply(event).await {
            json(StatusCode::ACCEPTED, &self.report())
        } else {
            refuse(
                StatusCode::CONFLICT,
                "this instance was told to exit",
                "start another one: an exit cannot be taken back",
            )
        }
    }
}

fn known_path(path: &str) -> Option<&'static str> {
    ["/livez", "/readyz", "/instance", "/metrics", "/drain"].into_iter().find(|it| *it == path)
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).expect("an answer is plain data");
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn refuse(status: StatusCode, error: &str, help: &str) -> Response {
    json(status, &Refusal { error, help })
}

/// Reads a body up to its limit.
async fn read<B: warp::Buf>(
    body: impl futures::Stream<Item = Result<B, warp::Error>>,
) -> Result<Vec<u8>, Response> {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        let Ok(mut part) = part else {
            let help = "send the whole body";
            return Err(refuse(StatusCode::BAD_REQUEST, "the body was cut off", help));
        };
        while part.has_remaining() {
            let chunk = part.chunk();
            if bytes.len() + chunk.len() > BODY_BYTES_MAX {
                let help = "a drain request is below 100 bytes";
                return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is above 4 KiB", help));
            }
            bytes.extend_from_slice(chunk);
            let taken = chunk.len();
            part.advance(taken);
        }
    }
    Ok(bytes)
}
