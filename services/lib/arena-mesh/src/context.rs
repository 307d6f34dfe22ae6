//! What travels with a call: who calls, until when, and under which trace.

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    str::FromStr,
    time::{Duration, Instant},
};

use http::HeaderMap;

use crate::SpiffeId;

/// Metadata key of the trace context (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";
/// Metadata key of the deadline (gRPC over HTTP/2, "Timeout").
pub const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Who is at the other end: in the extensions of every request, and of every link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The id its certificate proves.
    pub id: SpiffeId,
    /// Where it is.
    pub addr: SocketAddr,
}

/// Until when the caller waits: in the extensions of every request that has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// Returns the time left, zero if there is none.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// A W3C trace context: the correlation id of every log line of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The id shared by all calls that one request causes.
    pub trace_id: u128,
    /// The id of the span that makes the call.
    pub span_id: u64,
    /// Whether the trace is recorded.
    pub flags: u8,
}

impl TraceContext {
    /// Starts a trace with random ids.
    #[must_use]
    pub fn random() -> Self {
        Self { trace_id: rand::random::<u128>() | 1, span_id: rand::random::<u64>() | 1, flags: 1 }
    }

    /// Returns the same trace with a fresh span id.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span_id: rand::random::<u64>() | 1, ..self }
    }

    /// Returns the context of the call being served by this task, if any.
    #[must_use]
    pub fn current() -> Option<Self> {
        CALL.try_with(|call| call.trace).ok()
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

/// A `traceparent` that does not parse; it is ignored, as the standard wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed traceparent")]
pub struct TraceContextError;

impl FromStr for TraceContext {
    type Err = TraceContextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // version 00: "00-", 32 digits, "-", 16 digits, "-", 2 digits
        const LEN: usize = 55;
        let bytes: &[u8; LEN] = text.as_bytes().try_into().map_err(|_| TraceContextError)?;
        if !bytes.starts_with(b"00-") || bytes[35] != b'-' || bytes[52] != b'-' {
            return Err(TraceContextError);
        }
        let (trace_id, span_id) = (hex(&bytes[3..35])?, hex(&bytes[36..52])? as u64);
        if trace_id == 0 || span_id == 0 {
            return Err(TraceContextError);
        }
        Ok(Self { trace_id, span_id, flags: hex(&bytes[53..])? as u8 })
    }
}

/// Reads lower-case hexadecimal digits, at most 32 of them.
fn hex(digits: &[u8]) -> Result<u128, TraceContextError> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(TraceContextError),
        };
        Ok(number << 4 | u128::from(digit))
    })
}

/// What calls made by a handler inherit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) trace: TraceContext,
    pub(crate) deadline: Option<Instant>,
}

tokio::task_local! {
    static CALL: Call;
}

impl Call {
    /// Returns the call being served by this task.
    pub(crate) fn current() -> Option<Self> {
        CALL.try_with(|call| *call).ok()
    }

    /// Reads the context of an arriving call.
    pub(crate) fn arriving(headers: &HeaderMap) -> Self {
        let trace = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            trace: trace.map_or_else(TraceContext::random, TraceContext::child),
            deadline: timeout(headers).map(|timeout| Instant::now() + timeout),
        }
    }

    /// Runs a handler so that the calls it makes inherit trace and deadline.
    pub(crate) fn scope<F: Future>(self, handler: F) -> impl Future<Output = F::Output> {
        CALL.scope(self, handler)
    }
}

/// Runs `work` so that every call it makes belongs to `trace`; calls served by the mesh already do.
pub async fn in_trace<F: Future>(trace: TraceContext, work: F) -> F::Output {
    let deadline = Call::current().and_then(|call| call.deadline);
    Call { trace, deadline }.scope(work).await
}

/// The longest timeout taken from a header: longer ones are as good as none.
const TIMEOUT_MAX: Duration = Duration::from_hours(24);

/// Reads `grpc-timeout`; a malformed one counts as absent.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    let timeout = match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    };
    Some(timeout.min(TIMEOUT_MAX))
}

/// Writes a `grpc-timeout`: microseconds while they fit into the eight digits allowed.
pub(crate) fn timeout_header(timeout: Duration) -> String {
    const DIGITS_MAX: u128 = 99_999_999;
    if timeout.as_micros() <= DIGITS_MAX {
        format!("{}u", timeout.as_micros())
    } else {
        format!("{}m", timeout.as_millis().min(DIGITS_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_read_back_as_written() {
        for (text, ms) in [("5S", 5_000), ("250m", 250), ("2000u", 2), ("1H", 3_600_000)] {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, text.parse().unwrap());
            let read = timeout(&headers).unwrap();
            assert_eq!(read, Duration::from_millis(ms), "{text}");
            headers.insert(GRPC_TIMEOUT, timeout_header(read).parse().unwrap());
            assert_eq!(timeout(&headers), Some(read), "{text}");
        }
        for text in ["", "5", "S", "5s", "-5S", "123456789S", "+5S"] {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, text.parse().unwrap());
            assert_eq!(timeout(&headers), None, "{text}");
        }
    }

    #[test]
    fn trace_contexts_read_back_as_written() {
        let trace = TraceContext::random();
        assert_eq!(trace.to_string().parse(), Ok(trace));
        assert_eq!(trace.child().trace_id, trace.trace_id);
        let malformed = [
            "",
            "00-0-0-00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736x00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        ];
        for text in malformed {
            assert_eq!(text.parse::<TraceContext>(), Err(TraceContextError), "{text}");
        }
    }
}
