//! Which path does what.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arena_types::{InstanceId, PlayerId, Region, ReleaseId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use warp::http::{HeaderMap, HeaderValue, header};
use warp::reply::{Reply, Response};
use warp::{Filter, Rejection};

use super::{ApiError, accounts, error, tables};
use crate::accept::{Gate, Peer};
use crate::keys::Keys;
use crate::page;
use crate::revocations::Revocations;
use crate::sessions::Sessions;
use crate::upstream::Upstream;

/// Bytes of a request's body: the longest is a registration.
const BODY_LEN_MAX: u64 = 8 << 10;
/// A call behind a request may take this long: Argon2id under load is the slowest.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The `OpenAPI` document of these routes.
pub const OPENAPI: &str = include_str!("openapi.json");
/// Where the WebSocket is.
pub const PLAY_PATH: &str = "/v1/play";

/// Who and where this gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its region.
    pub region: Region,
    /// Its release.
    pub release: ReleaseId,
    /// Its name.
    pub instance: InstanceId,
}

/// What the handlers need; cheap to clone.
#[derive(Clone, Debug)]
pub struct Rest {
    /// The services behind.
    pub upstream: Upstream,
    /// Checks access tokens.
    pub keys: Keys,
    /// Knows which tokens were taken back.
    pub revocations: Revocations,
    /// Bounds requests by address.
    pub gate: Gate,
    /// Counts sessions.
    pub sessions: Sessions,
    /// Who we are.
    pub site: Arc<Site>,
}

impl Rest {
    fn admit(&self, ip: IpAddr) -> Result<(), ApiError> {
        if self.gate.request(ip) { Ok(()) } else { Err(ApiError::TooMany) }
    }

    fn player(&self, authorization: Option<&str>) -> Result<PlayerId, ApiError> {
        let token = authorization
            .and_then(|it| it.strip_prefix("Bearer "))
            .ok_or_else(|| ApiError::Unauthenticated("no bearer token was given".to_owned()))?;
        let claims =
            self.keys.verify(token).map_err(|it| ApiError::Unauthenticated(it.to_string()))?;
        if self.revocations.covers(claims.player, claims.epoch) {
            return Err(ApiError::Unauthenticated("the access token was taken back".to_owned()));
        }
        Ok(claims.player)
    }
}

/// Returns a call that may take as long as a caller of REST waits.
pub(super) fn timed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

/// Returns all routes but the WebSocket's, which `play` answers.
pub fn routes<P>(
    rest: &Rest,
    play: P,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static + use<P>
where
    P: Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    let api = post(rest, "login/device", accounts::device)
        .or(post(rest, "login/email", accounts::email))
        .unify()
        .or(post(rest, "register", accounts::register))
        .unify()
        .or(post(rest, "refresh", accounts::refresh))
        .unify()
        .or(post(rest, "logout", accounts::logout))
        .unify()
        .or(reads(rest))
        .unify()
        .boxed();
    play.or(api).unify().or(files()).unify().recover(error::rejected).unify().map(secured)
}

/// The routes that only read.
fn reads(rest: &Rest) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    let leaderboard = warp::path!("v1" / "leaderboard")
        .and(admitted(rest))
        .and(warp::query())
        .then(|rest, page| async move { answer(tables::leaderboard(rest, page).await) });
    let profile = warp::path!("v1" / "profile")
        .and(identified(rest))
        .then(|rest, player| async move { answer(tables::profile(rest, player).await) });
    let history = warp::path!("v1" / "history").and(identified(rest)).and(warp::query()).then(
        |rest, player, page| async move { answer(tables::history(rest, player, page).await) },
    );
    let status = warp::path!("v1" / "status")
        .and(admitted(rest))
        .map(|rest: Rest| answer(Ok(tables::status(&rest))));
    let openapi = warp::path!("openapi.json").map(|| {
        let mut response = OPENAPI.into_response();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    });
    let reads = leaderboard.or(history).unify().or(status).unify().or(openapi).unify();
    reads.or(profile).unify().and(warp::get()).boxed()
}

/// A route that takes a JSON body.
fn post<B, F, A, T>(
    rest: &Rest,
    path: &'static str,
    handle: F,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<B, F, A, T>
where
    B: DeserializeOwned + Send + 'static,
    F: Fn(Rest, IpAddr, B) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<T, ApiError>> + Send + 'static,
    T: Serialize + 'static,
{
    let place =
        path.split('/').fold(warp::path("v1").boxed(), |it, part| it.and(warp::path(part)).boxed());
    place
        .and(warp::path::end())
        .and(warp::post())
        .and(admitted(rest))
        .and(warp::ext::get::<Peer>())
        .and(warp::body::content_length_limit(BODY_LEN_MAX))
        .and(warp::body::bytes())
        .then(move |rest: Rest, Peer(peer): Peer, body: bytes::Bytes| {
            let handle = handle.clone();
            async move {
                match serde_json::from_slice(&body) {
                    Ok(body) => answer(handle(rest, peer.ip(), body).await),
                    Err(error) => ApiError::BadRequest(error.to_string()).into_response(),
                }
            }
        })
        .boxed()
}

/// Counts the request against its address and passes on what handlers need.
fn admitted(rest: &Rest) -> impl Filter<Extract = (Rest,), Error = Rejection> + Clone + use<> {
    let rest = rest.clone();
    warp::ext::get::<Peer>().and_then(move |Peer(peer): Peer| {
        let admitted = rest.admit(peer.ip()).map(|()| rest.clone());
        std::future::ready(admitted.map_err(warp::reject::custom))
    })
}

/// As [`admitted`], for a request that must carry an access token.
fn identified(
    rest: &Rest,
) -> impl Filter<Extract = (Rest, PlayerId), Error = Rejection> + Clone + use<> {
    admitted(rest)
        .and(warp::header::optional::<String>("authorization"))
        .and_then(|rest: Rest, authorization: Option<String>| {
            let player = rest.player(authorization.as_deref());
            std::future::ready(player.map(|it| (rest, it)).map_err(warp::reject::custom))
        })
        .untuple_one()
}

/// The page.
fn files() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    warp::get()
        .or(warp::head())
        .unify()
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and_then(|path: warp::path::FullPath, headers: HeaderMap| {
            std::future::ready(
                page::answer(path.as_str(), &headers).ok_or_else(warp::reject::not_found),
            )
        })
}

fn answer<T: Serialize>(result: Result<T, ApiError>) -> Response {
    match result {
        Ok(body) => {
            let mut response = warp::reply::json(&body).into_response();
            let no_store = HeaderValue::from_static("no-store");
            response.headers_mut().insert(header::CACHE_CONTROL, no_store);
            response
        }
        Err(error) => error.into_response(),
    }
}

fn secured(mut response: Response) -> Response {
    for (name, value) in page::SECURITY_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
