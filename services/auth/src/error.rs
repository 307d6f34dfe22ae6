use std::time::Duration;

use arena_store::StoreError;
use tonic::{Code, Status};

/// Metadata of a refusal by a rate limit: milliseconds until it is worth asking again.
pub(crate) const RETRY_AFTER_MS: &str = "retry-after-ms";

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Something in the request is not what it must be.
    #[error("use {field}: it must be {rule}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// Whoever asks is not who they say. The same for an unknown address and a wrong password.
    #[error("log in: the address or the password is wrong")]
    WrongCredentials,
    /// The refresh token is not good, or no longer.
    #[error("refresh: the session is over, log in again")]
    SessionOver,
    /// A ban holds.
    #[error("log in: banned{}: {reason}", until(*until_ms))]
    Banned {
        /// Unix milliseconds; `None`: for ever.
        until_ms: Option<u64>,
        /// As the operator wrote it.
        reason: String,
    },
    /// The address has an account.
    #[error("register: this address has an account, log in with it")]
    Taken,
    /// Too many requests.
    #[error("log in: too many attempts, try again in {} s", retry_after.as_secs() + 1)]
    Limited {
        /// When to try again.
        retry_after: Duration,
    },
    /// Too many password checks wait already.
    #[error("check the password: too many wait already, try again soon")]
    Busy,
    /// A store failed.
    #[error("use the store")]
    Store(#[from] StoreError),
    /// A stored or freshly made value cannot be used: our bug or a damaged store.
    #[error("{doing}")]
    Internal {
        /// What was tried.
        doing: &'static str,
        /// What is wrong, for the log.
        detail: String,
    },
}

fn until(until_ms: Option<u64>) -> String {
    until_ms.map_or_else(|| " for ever".to_owned(), |it| format!(" until {it} (Unix ms)"))
}

impl AuthError {
    /// Names the outcome in metrics and audit lines.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::WrongCredentials => "wrong_credentials",
            Self::SessionOver => "session_over",
            Self::Banned { .. } => "banned",
            Self::Taken => "taken",
            Self::Limited { .. } => "limited",
            Self::Busy => "busy",
            Self::Store(_) => "store",
            Self::Internal { .. } => "internal",
        }
    }
}

impl From<AuthError> for Status {
    fn from(error: AuthError) -> Self {
        let code = match &error {
            AuthError::Invalid { .. } => Code::InvalidArgument,
            AuthError::WrongCredentials | AuthError::SessionOver => Code::Unauthenticated,
            AuthError::Banned { .. } => Code::PermissionDenied,
            AuthError::Taken => Code::AlreadyExists,
            AuthError::Limited { .. } | AuthError::Busy => Code::ResourceExhausted,
            AuthError::Store(store) if store.is_outage() => Code::Unavailable,
            AuthError::Store(_) | AuthError::Internal { .. } => Code::Internal,
        };
        let mut status = Self::new(code, error.to_string());
        if let AuthError::Limited { retry_after } = error {
            let ms = retry_after.as_millis().min(u128::from(u64::MAX)) as u64;
            status.metadata_mut().insert(RETRY_AFTER_MS, ms.into());
        }
        status
    }
}
