//! The id that ties together the log lines of one call across services.
//!
//! It travels as W3C trace context, `traceparent: 00-<trace>-<span>-<flags>`
//! (<https://www.w3.org/TR/trace-context/#traceparent-header>); every line inside a call carries
//! the trace part as the field `trace`.

use std::fmt;
use std::str::FromStr;

/// One trace: 128 bits, not zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

/// Why a header is not a trace context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "read a traceparent: must be `00-` 32 hexadecimal digits `-` 16 of them `-` 2 of them, not all zero"
)]
pub struct TraceParentError;

impl TraceId {
    /// Wraps 128 bits drawn at random by the caller; 0 becomes 1, as 0 means "none".
    #[must_use]
    pub const fn from_u128(id: u128) -> Self {
        Self(if id == 0 { 1 } else { id })
    }

    /// Reads the trace of a `traceparent` header. Versions above 00 may carry more after the flags.
    ///
    /// # Errors
    /// [`TraceParentError`]; the caller then starts a trace of its own.
    pub fn from_header(header: &str) -> Result<Self, TraceParentError> {
        let mut parts = header.split('-');
        let mut part = |digits| {
            parts.next().filter(|it| it.len() == digits && is_lower_hex(it)).ok_or(TraceParentError)
        };
        let (version, trace, span, _flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let more = parts.next().is_some();
        if version == "ff" || (version == "00" && more) || span.bytes().all(|it| it == b'0') {
            return Err(TraceParentError);
        }
        trace.parse()
    }

    /// Writes a `traceparent` header with `span` as the caller's own id, sampled.
    #[must_use]
    pub fn to_header(self, span: u64) -> String {
        format!("00-{self}-{:016x}-01", span.max(1))
    }

    /// Opens the span that puts `trace` on every line inside.
    #[must_use]
    pub fn span(self, call: &str) -> tracing::Span {
        tracing::info_span!("call", trace = %self, call)
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

impl FromStr for TraceId {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        if text.len() != 32 || !is_lower_hex(text) {
            return Err(TraceParentError);
        }
        match u128::from_str_radix(text, 16) {
            Ok(id) if id != 0 => Ok(Self(id)),
            _ => Err(TraceParentError),
        }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_the_recommendation_says() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let span = "b7ad6b7169203331";
        for (header, ok) in [
            (format!("00-{trace}-{span}-01"), true),
            (format!("cc-{trace}-{span}-01-what-comes"), true),
            (format!("00-{trace}-{span}-01-more"), false),
            (format!("ff-{trace}-{span}-01"), false),
            (format!("00-{}-{span}-01", "0".repeat(32)), false),
            (format!("00-{trace}-{}-01", "0".repeat(16)), false),
            (format!("00-{}-{span}-01", trace.to_uppercase()), false),
            (format!("00-{trace}-{span}"), false),
            (String::new(), false),
        ] {
            assert_eq!(TraceId::from_header(&header).is_ok(), ok, "{header}");
        }
    }

    #[test]
    fn a_written_header_reads_back() {
        for id in [0, 1, u128::MAX] {
            let trace = TraceId::from_u128(id);
            assert_eq!(TraceId::from_header(&trace.to_header(7)), Ok(trace));
        }
    }
}
