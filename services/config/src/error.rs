use arena_sdk::RulesError;
use arena_store::StoreError;
use tonic::{Code, Status};

/// Why something was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The rules cannot be played; every mistake is listed.
    #[error("publish these rules: {0}")]
    Rules(RulesError),
    /// A field is not what it must be.
    #[error("write {field}: it must be {rule}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// There is no such version.
    #[error("find version {version} of the rules; `arenactl rules list` shows all")]
    NoVersion {
        /// The version asked for; 0 is the active one.
        version: u32,
    },
    /// There is no such flag.
    #[error("find flag `{name}`; `arenactl flag list` shows all")]
    NoFlag {
        /// The flag asked for.
        name: String,
    },
    /// There are as many as there may be.
    #[error("add one more: there are {max} {what} already")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// The registry failed.
    #[error("use the registry")]
    Store(#[from] StoreError),
}

impl From<ConfigError> for Status {
    fn from(error: ConfigError) -> Self {
        let code = match &error {
            ConfigError::Rules(_) | ConfigError::Invalid { .. } => Code::InvalidArgument,
            ConfigError::NoVersion { .. } | ConfigError::NoFlag { .. } => Code::NotFound,
            ConfigError::TooMany { .. } => Code::ResourceExhausted,
            ConfigError::Store(StoreError::Conflict { .. }) => Code::Aborted,
            ConfigError::Store(store) if store.is_outage() => Code::Unavailable,
            ConfigError::Store(_) => Code::Internal,
        };
        let text = match &error {
            ConfigError::Store(source) => format!("{error}: {source}"),
            _ => error.to_string(),
        };
        Self::new(code, text)
    }
}
