//! One lock a region: a holder, a heartbeat, and a token that fences whoever lost it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::ledger::{Ledger, LedgerError};
use crate::process::ProcessId;

/// A holder whose version stood still this long is taken for dead. Longer than any one step of a rollout
/// on this machine, short enough to wait for.
pub const TTL: Duration = Duration::from_secs(15);
/// Time between two heartbeats: seven may be lost.
pub const HEARTBEAT: Duration = Duration::from_secs(2);
/// How often a contender looks at the version.
const LOOK: Duration = Duration::from_millis(100);

/// Who holds a lock, for people and for the check whether that process still runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// `user@host`.
    pub who: String,
    /// The command it runs.
    pub command: String,
    /// Boot id and pid namespace: only inside the same pair is a pid comparable.
    pub machine: String,
    /// The process.
    pub process: ProcessId,
}

/// What a person sees of a held lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockView {
    /// Who holds it.
    pub holder: Holder,
    /// Since when, in milliseconds since 1970.
    pub taken_ms: u64,
}

/// Why the lock is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else works on the region.
    #[error("the region is locked by {} (pid {}, `{}`) for {} s", .0.holder.who, .0.holder.process.pid, .0.holder.command, age_s(.0))]
    Held(Box<LockView>),
    /// It was ours; somebody took it over or removed it.
    #[error("this command lost the lock of its region to another one")]
    Lost,
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A lock that is held. Dropping it does not release it: a crashed holder's work must be looked at.
#[derive(Clone, Debug)]
pub struct Lock {
    token: String,
}

impl Lock {
    /// Names a hold of the lock of this version: no other hold has the same name.
    pub(crate) fn new(version: u64, holder: &Holder) -> Self {
        Self { token: format!("{}-{}-{version}", holder.machine, holder.process.pid) }
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }
}

impl Holder {
    /// Describes this process.
    #[must_use]
    pub fn own(command: &str) -> Self {
        let host = crate::process::host_name();
        Self {
            who: format!("{}@{host}", user()),
            command: command.to_owned(),
            machine: machine(),
            process: ProcessId::own(),
        }
    }

    /// Says whether it runs for sure: of a process elsewhere nobody here can tell.
    #[must_use]
    pub fn is_known_alive(&self) -> bool {
        self.machine == machine() && self.process.is_alive()
    }

    /// A process of this machine that is gone cannot come back: no need to wait for its TTL.
    fn is_known_dead(&self) -> bool {
        self.machine == machine() && !self.process.is_alive()
    }
}

/// Returns the user's name as the environment tells it.
#[must_use]
pub fn user() -> String {
    let name = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    name.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()))
}

fn machine() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.trim(), namespace.display())
}

fn age_s(view: &LockView) -> u64 {
    crate::clock::now_ms().saturating_sub(view.taken_ms) / 1000
}

/// Takes the lock, waiting for a dead holder's TTL but never for a living one.
///
/// # Errors
/// [`LockError::Held`] as soon as the holder shows a sign of life.
pub async fn take(ledger: &mut dyn Ledger, holder: &Holder) -> Result<Lock, LockError> {
    take_after(ledger, holder, TTL).await
}

/// As [`take`], with a time to live of one's own.
pub(crate) async fn take_after(
    ledger: &mut dyn Ledger,
    holder: &Holder,
    ttl: Duration,
) -> Result<Lock, LockError> {
    let mut seen = ledger.lock_row().await?;
    let mut since = Instant::now();
    loop {
        let is_free = match &seen.view {
            None => true,
            Some(view) => view.holder.is_known_dead() || since.elapsed() >= ttl,
        };
        if is_free {
            if let Some(lock) = ledger.take(seen.version, holder).await? {
                return Ok(lock);
            }
        } else {
            tokio::time::sleep(LOOK).await;
        }
        let now = ledger.lock_row().await?;
        if now.version != seen.version {
            if let Some(view) = now.view {
                return Err(LockError::Held(Box::new(view)));
            }
            (seen, since) = (now, Instant::now());
        }
    }
}
