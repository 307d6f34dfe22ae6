//! What a supervisor says about its instance, in `state.json`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::durable::{self, Access, FileError};
use crate::process::ProcessId;

/// File name of a [`Report`] inside an instance's folder.
pub const REPORT_FILE: &str = "state.json";

/// State of a supervisor and its child; replaced as a whole on every change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The supervisor.
    pub supervisor: ProcessId,
    /// The instance's process while it runs.
    pub child: Option<ProcessId>,
    /// Where the supervisor stands.
    pub phase: Phase,
    /// Starts after the first one.
    pub restarts: u32,
    /// True once the child exits so fast and often that waiting for it is pointless.
    pub crash_looping: bool,
    /// How the child last ended.
    pub last_exit: Option<Exit>,
    /// Bound addresses by socket name.
    pub addresses: BTreeMap<String, SocketAddr>,
    /// Why the supervisor itself failed.
    pub error: Option<String>,
}

/// Where a supervisor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Sockets are being bound.
    Starting,
    /// The child runs.
    Running,
    /// The child exited and is started again after a delay.
    BackingOff,
    /// The child was told to drain and exit.
    Stopping,
    /// The child exited as told.
    Stopped,
    /// The supervisor gave up, for the reason in `error`.
    Failed,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that killed it, if one did.
    pub signal: Option<i32>,
    /// Time it ran.
    pub uptime_ms: u64,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code} after {} ms", self.uptime_ms),
            (_, Some(signal)) => write!(f, "killed by signal {signal} after {} ms", self.uptime_ms),
            _ => write!(f, "ended after {} ms", self.uptime_ms),
        }
    }
}

impl Report {
    /// Returns the first report of this process.
    #[must_use]
    pub fn starting() -> Self {
        Self {
            supervisor: ProcessId::own(),
            child: None,
            phase: Phase::Starting,
            restarts: 0,
            crash_looping: false,
            last_exit: None,
            addresses: BTreeMap::new(),
            error: None,
        }
    }

    /// Reads the report of an instance's folder; `None` before its supervisor wrote one.
    ///
    /// # Errors
    /// [`FileError`], corrupt content included.
    pub fn read(instance: &Path) -> Result<Option<Self>, FileError> {
        durable::read_json(&instance.join(REPORT_FILE))
    }

    /// Writes the report.
    ///
    /// # Errors
    /// [`FileError`]; the old report stands.
    pub fn write(&self, instance: &Path) -> Result<(), FileError> {
        durable::write_json(&instance.join(REPORT_FILE), self, Access::Everyone)
    }

    /// Says whether the supervisor of this report still runs.
    #[must_use]
    pub fn is_supervised(&self) -> bool {
        self.supervisor.is_alive()
    }
}
