//! What simulated instances do, in JSON.
//!
//! ```json
//! {
//!   "default": {"ready_after_ms": 300},
//!   "rules_refused": "no instance of `config` is ready",
//!   "services": {
//!     "game": {"matches": 2, "empty_after_ms": 60000},
//!     "game@r2": {"never_ready": "no GPU"}
//!   }
//! }
//! ```
//! `service@release` is looked up first, then `service`, then `default`; a missing key has its default.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::backend::BackendError;

/// A whole script.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Script {
    default: Behavior,
    services: BTreeMap<String, Behavior>,
    /// Rules cannot be published, and this is why.
    pub(super) rules_refused: Option<String>,
}

/// How instances of one service behave.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Behavior {
    /// Time until ready.
    pub(super) ready_after_ms: u64,
    /// It never gets ready, and this is what it says.
    pub(super) never_ready: Option<String>,
    /// It fails this long after its start.
    pub(super) fails_after_ms: Option<u64>,
    /// Sessions it holds once ready.
    pub(super) sessions: u32,
    /// Matches it hosts once ready.
    pub(super) matches: u32,
    /// Of these, matches that are on their way to another instance while it drains.
    pub(super) moving: u32,
    /// Matches it can host.
    pub(super) capacity: u32,
    /// Time a drain takes.
    pub(super) empty_after_ms: u64,
    /// Time it takes to stop.
    pub(super) stops_after_ms: u64,
    /// Lines it writes.
    pub(super) log: Vec<String>,
}

impl Default for Behavior {
    fn default() -> Self {
        Self {
            ready_after_ms: 200,
            never_ready: None,
            fails_after_ms: None,
            sessions: 0,
            matches: 0,
            moving: 0,
            capacity: 0,
            empty_after_ms: 500,
            stops_after_ms: 50,
            log: Vec::new(),
        }
    }
}

impl Script {
    pub(super) fn read(path: &Path) -> Result<Self, BackendError> {
        let failed =
            |why: String| BackendError::Script { why: format!("{}: {why}", path.display()) };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
    }

    pub(super) fn behavior(&self, service: &str, release: &str) -> &Behavior {
        let exact = self.services.get(&format!("{service}@{release}"));
        exact.or_else(|| self.services.get(service)).unwrap_or(&self.default)
    }
}
