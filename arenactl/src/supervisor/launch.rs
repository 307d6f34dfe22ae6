//! What a supervisor is told, once, before it starts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// File name of a [`Launch`] inside an instance's folder.
pub const LAUNCH_FILE: &str = "launch.json";

/// Everything needed to run one instance; holds no secret, only paths to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The instance, `game-r2-1`.
    pub instance: String,
    /// Its service.
    pub service: String,
    /// Its release.
    pub release: String,
    /// The rollout that created it: names the maker when two of them met.
    pub rollout: String,
    /// The program, by digest.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment, except `LISTEN_*` and the addresses of sockets.
    pub env: BTreeMap<String, String>,
    /// Sockets it gets, in this order from descriptor 3.
    pub sockets: Vec<SocketPlan>,
    /// URI of its certificate; no certificate is issued without one.
    pub identity: Option<IdentityPlan>,
    /// Limits of its log.
    pub log: LogLimits,
    /// Exits after which it counts as failed.
    pub restart: RestartLimits,
}

/// How often a child may exit by itself before its instance counts as failed; it is restarted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartLimits {
    /// Exits allowed within the window.
    pub attempts: u32,
    /// The window.
    pub within_ms: u64,
}

/// Where an instance's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityPlan {
    /// `spiffe://<cluster>/<service>/<instance>`.
    pub uri: String,
    /// Folder of the cluster's authority.
    pub authority: PathBuf,
    /// Folder that the instance reads.
    pub folder: PathBuf,
    /// Life of each certificate; a new one is issued at half of it.
    #[serde(default = "leaf_life_ms")]
    pub life_ms: u64,
}

/// What an older arenactl did not write down.
pub(crate) fn leaf_life_ms() -> u64 {
    u64::try_from(arena_mesh::LEAF_LIFE.as_millis()).unwrap_or(u64::MAX)
}

/// One socket that the supervisor owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketPlan {
    /// Its name in `LISTEN_FDNAMES`: `side`, `mesh` or `public`.
    pub name: String,
    /// Its kind.
    pub kind: SocketKind,
    /// Address to bind; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Folder of an instance that owns this socket now and hands it over.
    pub from: Option<PathBuf>,
}

/// The kind of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketKind {
    /// A listening TCP socket.
    Tcp,
    /// A bound UDP socket.
    Udp,
}

/// Limits of an instance's log on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLimits {
    /// A file is rotated at the first line end after this many bytes.
    pub file_bytes: u64,
    /// Rotated files kept beside the current one.
    pub file_count: u32,
}

impl Default for LogLimits {
    /// 8 MiB times 5: a day of `info` of a busy instance, and 50 instances stay below 2 GiB.
    fn default() -> Self {
        Self { file_bytes: 8 * 1024 * 1024, file_count: 4 }
    }
}

/// Returns the folder of an instance's log files.
#[must_use]
pub fn log_folder(instance: &Path) -> PathBuf {
    instance.join("logs")
}
