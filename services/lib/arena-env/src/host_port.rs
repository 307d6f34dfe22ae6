use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::FromVariable;

/// Longest host name (RFC 1035 §2.3.4), written with dots.
const HOST_LEN_MAX: usize = 253;
/// Longest part of it between two dots.
const LABEL_LEN_MAX: usize = 63;
const RULE: &str = "a host name or IP address and a port from 1, \
                    for example store:7400, 10.0.0.7:7400 or [::1]:7400";

/// Where something listens: a host, by name or by IP address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: String, // invariant: an IP address, or a host name
    port: u16,    // invariant: not 0
}

impl HostPort {
    /// Returns the host name, or the IP address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, 1 to 65535.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl From<SocketAddr> for HostPort {
    fn from(addr: SocketAddr) -> Self {
        Self { host: addr.ip().to_string(), port: addr.port() }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, self.port).fmt(f),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromVariable for HostPort {
    fn from_variable(text: &str) -> Result<Self, String> {
        parse(text).filter(|it| it.port > 0).ok_or_else(|| RULE.to_owned())
    }
}

fn parse(text: &str) -> Option<HostPort> {
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return Some(addr.into());
    }
    let (host, port) = text.rsplit_once(':')?;
    let port = port.bytes().all(|it| it.is_ascii_digit()).then_some(port)?.parse().ok()?;
    is_host_name(host).then(|| HostPort { host: host.to_owned(), port })
}

/// Host names as Docker and Kubernetes give them: `_` is in the names that `docker stack` makes.
/// What ends in a number would be an IP address (RFC 3696 §2), and is none.
fn is_host_name(text: &str) -> bool {
    let is_label = |it: &str| {
        (1..=LABEL_LEN_MAX).contains(&it.len())
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_')
            && !it.starts_with('-')
            && !it.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or(text);
    text.len() <= HOST_LEN_MAX
        && text.split('.').all(is_label)
        && !last.bytes().all(|it| it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for (text, parts) in [
            ("store:7400", Some(("store", 7400))),
            ("tasks.lab_store:7400", Some(("tasks.lab_store", 7400))),
            ("store-r1-0.arena.internal:1", Some(("store-r1-0.arena.internal", 1))),
            ("10.0.0.7:7400", Some(("10.0.0.7", 7400))),
            ("[fd00::7]:7400", Some(("fd00::7", 7400))),
            ("", None),
            ("store", None),
            (":7400", None),
            ("store:", None),
            ("store:0", None),
            ("10.0.0.7:0", None),
            ("store:65536", None),
            ("store:+1", None),
            ("fd00::7:7400", None),
            ("10.0.0.300:7400", None),
            ("10:7400", None),
            ("-store:7400", None),
            ("a..b:7400", None),
            ("a b:7400", None),
            ("http://store:7400", None),
        ] {
            let found = HostPort::from_variable(text).ok();
            let found = found.as_ref();
            assert_eq!(found.map(|it| (it.host(), it.port())), parts, "{text}");
            assert!(found.is_none_or(|it| it.to_string() == text), "{text}");
        }
        let long = format!("{}:1", ["a"; 128].join("."));
        assert!(HostPort::from_variable(&long).unwrap_err().contains("store:7400"));
    }
}
