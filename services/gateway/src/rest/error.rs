//! What a refused request is answered with.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tonic::Code;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::{Reply, Response};

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The body or the query is not what the `OpenAPI` document says.
    #[error("{0}")]
    BadRequest(String),
    /// Token or password are missing, wrong or expired.
    #[error("{0}")]
    Unauthenticated(String),
    /// The account may not do this now.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The path exists, the method does not.
    #[error("this path does not take this method")]
    Method,
    /// The name or address is taken.
    #[error("{0}")]
    Conflict(String),
    /// The body has no `Content-Length`.
    #[error("the request has no content-length")]
    NoLength,
    /// The body is too long.
    #[error("the body is too long")]
    TooLarge,
    /// The body came too slowly.
    #[error("the request took too long to arrive")]
    Timeout,
    /// More requests than this address may make.
    #[error("too many requests from this address")]
    TooMany,
    /// A part behind the gateway does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// A failure of ours.
    #[error("the server failed")]
    Internal,
}

/// The body of an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What a program branches on.
    pub code: String,
    /// What a person reads.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl ApiError {
    /// Returns status, code and help.
    #[must_use]
    pub fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest(_) => {
                (StatusCode::BAD_REQUEST, "bad_request", "compare the request with /openapi.json")
            }
            Self::Unauthenticated(_) => {
                (StatusCode::UNAUTHORIZED, "unauthenticated", "log in again")
            }
            Self::Forbidden(_) => {
                (StatusCode::FORBIDDEN, "forbidden", "ask the operator of this arena")
            }
            Self::NotFound(_) => {
                (StatusCode::NOT_FOUND, "not_found", "/openapi.json lists what there is")
            }
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "/openapi.json lists the methods of each path",
            ),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict", "choose another, or log in"),
            Self::NoLength => {
                (StatusCode::LENGTH_REQUIRED, "length_required", "send content-length")
            }
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "no request is over 8 KiB")
            }
            Self::Timeout => (StatusCode::REQUEST_TIMEOUT, "timeout", "send it again, faster"),
            Self::TooMany => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many", "wait as long as retry-after says")
            }
            Self::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "try again in a moment")
            }
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "try again; the log has the cause")
            }
        }
    }
}

/// What a call behind the gateway says becomes what the caller hears; our own mistakes stay inside.
impl From<tonic::Status> for ApiError {
    fn from(status: tonic::Status) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => {
                Self::BadRequest(message)
            }
            Code::Unauthenticated => Self::Unauthenticated(message),
            Code::PermissionDenied => Self::Forbidden(message),
            Code::NotFound => Self::NotFound(message),
            Code::AlreadyExists => Self::Conflict(message),
            Code::ResourceExhausted => Self::TooMany,
            Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::Cancelled => {
                tracing::warn!(%status, "a call behind the gateway failed");
                Self::Unavailable("a part of the arena does not answer".to_owned())
            }
            _ => {
                tracing::error!(%status, "a call behind the gateway failed");
                Self::Internal
            }
        }
    }
}

impl warp::reject::Reject for ApiError {}

impl Reply for ApiError {
    fn into_response(self) -> Response {
        let (status, code, help) = self.parts();
        let body =
            ErrorBody { code: code.to_owned(), message: self.to_string(), help: help.to_owned() };
        let mut response = warp::reply::json(&body).into_response();
        *response.status_mut() = status;
        if self == Self::TooMany {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// What warp's own filters refuse.
pub(super) async fn rejected(rejection: warp::Rejection) -> Result<Response, Infallible> {
    use warp::reject::{
        InvalidQuery, LengthRequired, MethodNotAllowed, PayloadTooLarge, UnsupportedMediaType,
    };
    let error = if let Some(error) = rejection.find::<ApiError>() {
        error.clone()
    } else if rejection.is_not_found() {
        ApiError::NotFound("there is nothing here".to_owned())
    } else if rejection.find::<PayloadTooLarge>().is_some() {
        ApiError::TooLarge
    } else if rejection.find::<LengthRequired>().is_some() {
        ApiError::NoLength
    } else if rejection.find::<InvalidQuery>().is_some() {
        ApiError::BadRequest("the query string cannot be read".to_owned())
    } else if rejection.find::<UnsupportedMediaType>().is_some() {
        ApiError::BadRequest("the body must be application/json".to_owned())
    } else if rejection.find::<MethodNotAllowed>().is_some() {
        ApiError::Method
    } else {
        ApiError::BadRequest("the request is not what this path takes".to_owned())
    };
    Ok(error.into_response())
}
