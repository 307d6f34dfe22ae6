//! What goes wrong between two peers, typed, and how it becomes a gRPC status.

use std::{net::SocketAddr, sync::Arc};

use arena_wire::frame::FrameError;
use quinn::{ConnectionError, ReadError, VarInt, WriteError};
use tonic::{Code, Status};

/// Stream reset code of a call that was refused before it was read: safe to send elsewhere. Codes
/// below it are gRPC status codes.
pub(crate) const REFUSED: VarInt = VarInt::from_u32(32);
/// Connection close code of an orderly end.
pub(crate) const CLOSED: VarInt = VarInt::from_u32(0);

/// TLS alerts ride in QUIC error codes above this (RFC 9001, section 4.8).
const CRYPTO_BASE: u64 = 0x100;
/// RFC 8446, section 6: what our verifier answers to an id it did not expect.
const ALERT_ACCESS_DENIED: u64 = 49;

/// Why there is no connection to an instance.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing answered, or the connection broke.
    #[error("no connection to {addr}")]
    Unreachable {
        /// Where.
        addr: SocketAddr,
        /// The cause.
        source: ConnectionError,
    },
    /// The server's certificate is not valid under our roots.
    #[error("the certificate of {addr} is not trusted here: {reason}")]
    UntrustedServer {
        /// Where.
        addr: SocketAddr,
        /// What TLS said.
        reason: String,
    },
    /// The server proved another id than the one wanted.
    #[error("{addr} is not the service or instance that was called")]
    WrongServer {
        /// Where.
        addr: SocketAddr,
    },
    /// The server does not accept our certificate, or we have none.
    #[error("{addr} rejected the certificate of this process: {reason}")]
    Rejected {
        /// Where.
        addr: SocketAddr,
        /// What the server said.
        reason: String,
    },
    /// No socket could be opened on this side.
    #[error("cannot open a client socket")]
    Socket {
        /// The cause.
        source: Arc<std::io::Error>,
    },
    /// The connection cannot even be tried.
    #[error("cannot connect to {addr}: {reason}")]
    Setup {
        /// Where.
        addr: SocketAddr,
        /// The cause.
        reason: String,
    },
}

impl ConnectError {
    /// Explains the end of a connection to `addr`.
    pub(crate) fn from_connection(addr: SocketAddr, error: ConnectionError) -> Self {
        match &error {
            ConnectionError::TransportError(fault) => match alert(fault.code.into()) {
                Some(ALERT_ACCESS_DENIED) => Self::WrongServer { addr },
                Some(_) => Self::UntrustedServer { addr, reason: fault.reason.clone() },
                None => Self::Unreachable { addr, source: error },
            },
            ConnectionError::ConnectionClosed(close) => match alert(close.error_code.into()) {
                Some(alert) => {
                    let said = String::from_utf8_lossy(&close.reason);
                    Self::Rejected { addr, reason: format!("tls alert {alert} {said}") }
                }
                None => Self::Unreachable { addr, source: error },
            },
            _ => Self::Unreachable { addr, source: error },
        }
    }

    /// Returns whether waiting cannot help: one side does not trust the other.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::UntrustedServer { .. } | Self::WrongServer { .. } | Self::Rejected { .. }
        )
    }

    /// Returns the cause of a status that a [`crate::Channel`] gave, if it is one of these.
    #[must_use]
    pub fn of(status: &Status) -> Option<&Self> {
        let mut cause = std::error::Error::source(status);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}

fn alert(code: u64) -> Option<u64> {
    code.checked_sub(CRYPTO_BASE).filter(|alert| *alert <= 0xff)
}

impl From<ConnectError> for Status {
    fn from(error: ConnectError) -> Self {
        let code = if error.is_refusal() { Code::Unauthenticated } else { Code::Unavailable };
        let mut status = Self::new(code, error.to_string());
        status.set_source(Arc::new(error));
        status
    }
}

/// Why a stream of a call or a link ended early.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StreamError {
    /// The peer did not read the call at all: it is draining.
    #[error("the peer is draining and refused the stream")]
    Refused,
    /// The peer reset the stream.
    #[error("the peer reset the stream with {code:?}")]
    Reset {
        /// The gRPC code it gave.
        code: Code,
    },
    /// The connection is gone.
    #[error("the connection is lost")]
    Lost {
        /// The cause.
        source: ConnectError,
    },
    /// What arrived are not frames.
    #[error("the peer sent malformed frames")]
    Frame {
        /// The cause.
        #[from]
        source: FrameError,
    },
    /// The stream ended where more had to come.
    #[error("the stream was cut off before its trailers")]
    CutOff,
    /// A frame arrived that has no place there.
    #[error("the peer sent a frame out of order")]
    OutOfOrder,
}

impl StreamError {
    pub(crate) fn reset(code: VarInt) -> Self {
        if code == REFUSED {
            return Self::Refused;
        }
        let code = i32::try_from(code.into_inner()).map_or(Code::Unknown, Code::from_i32);
        Self::Reset { code }
    }

    pub(crate) fn lost(addr: SocketAddr, error: ConnectionError) -> Self {
        Self::Lost { source: ConnectError::from_connection(addr, error) }
    }

    pub(crate) fn read(addr: SocketAddr, error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::reset(code),
            ReadError::ConnectionLost(error) => Self::lost(addr, error),
            _ => Self::CutOff, // a stream read after its end: ours alone, and over in any case
        }
    }

    pub(crate) fn write(addr: SocketAddr, error: WriteError) -> Self {
        match error {
            WriteError::Stopped(code) => Self::reset(code),
            WriteError::ConnectionLost(error) => Self::lost(addr, error),
            _ => Self::CutOff,
        }
    }

    /// Returns the gRPC code this error stands for.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Reset { code } => *code,
            Self::Lost { source } if source.is_refusal() => Code::Unauthenticated,
            Self::Refused | Self::CutOff | Self::Lost { .. } => Code::Unavailable,
            Self::Frame { .. } | Self::OutOfOrder => Code::Internal,
        }
    }
}

impl From<StreamError> for Status {
    fn from(error: StreamError) -> Self {
        let code = error.code();
        let mut status = Self::new(code, crate::identity::chain(&error));
        status.set_source(Arc::new(error));
        status
    }
}
