//! The log of the process.

use std::io::IsTerminal as _;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::json::JsonLines;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a person.
    Text,
    /// One object a line, for machines.
    Json,
}

impl FromStr for Format {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogError::Format { text: text.to_owned() }),
        }
    }
}

/// Who logs; part of every JSON line.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The service, `game`.
    pub service: String,
    /// The instance, `game-r2-0`.
    pub instance: String,
    /// The release, `r2`.
    pub release: String,
    /// The region, `eu-fra`.
    pub region: String,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Neither text nor JSON.
    #[error("use log format `{text}`: must be `text` or `json`")]
    Format {
        /// What was given.
        text: String,
    },
    /// Not a list of directives.
    #[error("use log filter `{text}`: must be directives like `info,arena_mesh=debug`")]
    Filter {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process has a log already.
    #[error("start a second log in one process")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Parses a filter's directives.
///
/// # Errors
/// [`LogError::Filter`].
pub fn filter(text: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder()
        .parse(text)
        .map_err(|source| LogError::Filter { text: text.to_owned(), source })
}

/// Starts the log of the process, on stderr. Without `format`: text on a terminal, else JSON.
///
/// # Errors
/// [`LogError::Filter`], or [`LogError::Twice`] if a subscriber is set already.
pub fn start(directives: &str, format: Option<Format>, origin: &Origin) -> Result<(), LogError> {
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { Format::Text } else { Format::Json });
    let registry = tracing_subscriber::registry().with(filter(directives)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Text => {
            let colour = terminal && std::env::var_os("NO_COLOR").is_none();
            registry.with(lines.with_ansi(colour).compact()).try_init()
        }
        Format::Json => registry.with(JsonLines::new(origin, std::io::stderr)).try_init(),
    }
    .map_err(LogError::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_says_what_is_right() {
        let format = "yaml".parse::<Format>().unwrap_err();
        assert_eq!(format.to_string(), "use log format `yaml`: must be `text` or `json`");
        assert!(filter("info,arena_mesh=debug").is_ok());
        assert!(filter("arena_mesh=loudly").unwrap_err().to_string().contains("loudly"));
    }
}
