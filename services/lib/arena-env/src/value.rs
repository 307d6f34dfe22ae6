use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use arena_types::{ClusterName, InstanceId, Region, ReleaseId, ServiceName};

/// A type that a variable's text is parsed into.
pub trait FromVariable: Sized {
    /// Parses `text`.
    ///
    /// # Errors
    /// The rule that `text` breaks, for a person; it does not repeat `text`.
    fn from_variable(text: &str) -> Result<Self, String>;
}

/// A span of whole seconds, 1 to 31 536 000 (a year).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(u64);

impl Seconds {
    /// A longer span is a mistyped unit, not a wish.
    const MAX: u64 = 365 * 24 * 3600;

    /// Returns the span as a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl FromVariable for Seconds {
    fn from_variable(text: &str) -> Result<Self, String> {
        text.parse()
            .ok()
            .filter(|it| (1..=Self::MAX).contains(it))
            .map(Self)
            .ok_or_else(|| format!("a number of seconds, 1 to {}, without a unit", Self::MAX))
    }
}

impl FromVariable for PathBuf {
    fn from_variable(text: &str) -> Result<Self, String> {
        let path = Self::from(text);
        if path.is_absolute() { Ok(path) } else { Err("an absolute path".to_owned()) }
    }
}

impl FromVariable for String {
    fn from_variable(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("not empty".to_owned()) } else { Ok(text.to_owned()) }
    }
}

fn parse<T: FromStr>(text: &str, rule: &str) -> Result<T, String> {
    text.parse().map_err(|_| rule.to_owned())
}

impl FromVariable for SocketAddr {
    fn from_variable(text: &str) -> Result<Self, String> {
        parse(text, "an IP address and a port, for example 127.0.0.1:8080 or [::1]:0")
    }
}

impl FromVariable for IpAddr {
    fn from_variable(text: &str) -> Result<Self, String> {
        parse(text, "an IP address, for example 10.0.0.7")
    }
}

impl FromVariable for bool {
    fn from_variable(text: &str) -> Result<Self, String> {
        match text {
            "1" => Ok(true),
            "0" => Ok(false),
            _ => Err("1 (yes) or 0 (no)".to_owned()),
        }
    }
}

impl FromVariable for u32 {
    fn from_variable(text: &str) -> Result<Self, String> {
        parse(text, "a number from 0 to 4294967295")
    }
}

impl FromVariable for u64 {
    fn from_variable(text: &str) -> Result<Self, String> {
        parse(text, "a number from 0 to 18446744073709551615")
    }
}

macro_rules! by_display {
    ($($name:ty),*) => {$(
        impl FromVariable for $name {
            fn from_variable(text: &str) -> Result<Self, String> {
                text.parse::<Self>().map_err(|it| rule_of(&it))
            }
        }
    )*};
}

by_display!(ClusterName, InstanceId, Region, ReleaseId, ServiceName);

/// The errors of names read "`text` is not a kind: rule"; a mistake prints the text by itself.
fn rule_of(error: &impl Display) -> String {
    let text = error.to_string();
    text.split_once("is not ").map_or(text.clone(), |(_, rule)| rule.to_owned())
}
