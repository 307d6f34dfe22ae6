use arena_store::StoreError;
use tonic::{Code, Status};

/// Why something was not recorded or read.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// A field is not what it must be.
    #[error("read `{field}`: it must be {rule}, not `{found}`")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
        /// What it is.
        found: String,
    },
    /// Others rated the same players at the same time, again and again.
    #[error("rate the players: others changed their ratings {attempts} times meanwhile")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// The store failed.
    #[error("use the store")]
    Store(#[from] StoreError),
}

impl From<StatsError> for Status {
    fn from(error: StatsError) -> Self {
        let code = match &error {
            StatsError::Invalid { .. } => Code::InvalidArgument,
            StatsError::Contended { .. } => Code::Unavailable,
            StatsError::Store(store) if store.is_outage() => Code::Unavailable,
            StatsError::Store(_) => Code::Internal,
        };
        let text = match &error {
            StatsError::Store(source) => format!("{error}: {source}"),
            _ => error.to_string(),
        };
        Self::new(code, text)
    }
}
