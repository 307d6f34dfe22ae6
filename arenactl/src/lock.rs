//! One lock a region: a holder, a heartbeat, and a token that fences whoever lost it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
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
    /// The database failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A lock that is held. Dropping it does not release it: a crashed holder's work must be looked at.
#[derive(Clone, Debug)]
pub struct Lock {
    token: String,
}

impl Lock {
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

struct LockRow {
    version: i64,
    view: Option<LockView>,
}

impl Ledger {
    /// Takes the lock, waiting for a dead holder's TTL but never for a living one.
    ///
    /// # Errors
    /// [`LockError::Held`] as soon as the holder shows a sign of life.
    pub async fn lock(&mut self, holder: &Holder) -> Result<Lock, LockError> {
        self.lock_after(holder, TTL).await
    }

    async fn lock_after(&mut self, holder: &Holder, ttl: Duration) -> Result<Lock, LockError> {
        let mut seen = self.lock_row().await?;
        let mut since = Instant::now();
        loop {
            let is_free = match &seen.view {
                None => true,
                Some(view) => view.holder.is_known_dead() || since.elapsed() >= ttl,
            };
            if is_free {
                if let Some(lock) = self.take(seen.version, holder).await? {
                    return Ok(lock);
                }
            } else {
                tokio::time::sleep(LOOK).await;
            }
            let now = self.lock_row().await?;
            if now.version != seen.version {
                if let Some(view) = now.view {
                    return Err(LockError::Held(Box::new(view)));
                }
                (seen, since) = (now, Instant::now());
            }
        }
    }

    /// Returns who holds the lock.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn lock_view(&mut self) -> Result<Option<LockView>, LedgerError> {
        Ok(self.lock_row().await?.view)
    }

    /// Bumps the version: a sign of life, and the fence before every effect.
    ///
    /// # Errors
    /// [`LockError::Lost`] if the lock is another's by now.
    pub async fn beat(&mut self, lock: &Lock) -> Result<(), LockError> {
        let query = sqlx::query("UPDATE lock SET version = version + 1 WHERE token = ?");
        let done = query.bind(&lock.token).execute(&mut self.connection).await;
        let done = done.map_err(|source| self.failed(source))?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(LockError::Lost) }
    }

    /// Releases the lock; releasing a lost one changes nothing.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn release_lock(&mut self, lock: &Lock) -> Result<(), LedgerError> {
        let query = "UPDATE lock SET version = version + 1, token = NULL WHERE token = ?";
        let done = sqlx::query(query).bind(&lock.token).execute(&mut self.connection).await;
        done.map(drop).map_err(|source| self.failed(source))
    }

    /// Removes the lock whoever holds it; that one is fenced from here on.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn break_lock(&mut self) -> Result<(), LedgerError> {
        let query = "UPDATE lock SET version = version + 1, token = NULL";
        let done = sqlx::query(query).execute(&mut self.connection).await;
        done.map(drop).map_err(|source| self.failed(source))
    }

    async fn take(&mut self, version: i64, holder: &Holder) -> Result<Option<Lock>, LedgerError> {
        let token = format!("{}-{}-{version}", holder.machine, holder.process.pid);
        let query = "UPDATE lock SET version = version + 1, token = ?, holder = ?, taken_ms = ? \
                     WHERE version = ?";
        let done = sqlx::query(query)
            .bind(&token)
            .bind(serde_json::to_string(holder).expect("our own type serialises"))
            .bind(crate::clock::now_ms() as i64)
            .bind(version)
            .execute(&mut self.connection)
            .await
            .map_err(|source| self.failed(source))?;
        Ok((done.rows_affected() == 1).then_some(Lock { token }))
    }

    async fn lock_row(&mut self) -> Result<LockRow, LedgerError> {
        let query = "SELECT version, token, holder, taken_ms FROM lock";
        let row = sqlx::query(query).fetch_one(&mut self.connection).await;
        let row = row.map_err(|source| self.failed(source))?;
        let token: Option<String> = row.get("token");
        let holder: String = row.get("holder");
        let view = match token {
            None => None,
            Some(_) => Some(LockView {
                holder: self.parse("lock", &holder)?,
                taken_ms: row.get::<i64, _>("taken_ms") as u64,
            }),
        };
        Ok(LockRow { version: row.get("version"), view })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid_offset: u64) -> Holder {
        let mut holder = Holder::own("deploy");
        holder.process.started_ticks += pid_offset;
        holder
    }

    #[tokio::test]
    async fn a_living_holder_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let (mut first, mut second) =
            (Ledger::create(&path).await.unwrap(), Ledger::create(&path).await.unwrap());
        let lock = first.lock(&holder(0)).await.unwrap();
        let contender = holder(0);
        let (taken, ()) = tokio::join!(second.lock(&contender), async {
            tokio::task::yield_now().await;
            first.beat(&lock).await.unwrap();
        });
        assert!(matches!(taken, Err(LockError::Held(_))), "{taken:?}");
    }

    #[tokio::test]
    async fn a_dead_holder_is_replaced_and_fenced() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::create(&folder.path().join("ledger.sqlite")).await.unwrap();
        let old = ledger.lock(&holder(1)).await.unwrap();
        let new = ledger.lock(&holder(0)).await.unwrap();
        assert!(matches!(ledger.beat(&old).await, Err(LockError::Lost)));
        ledger.release_lock(&old).await.unwrap();
        ledger.beat(&new).await.unwrap();
    }

    #[tokio::test]
    async fn a_holder_elsewhere_is_replaced_after_it_stood_still_for_a_ttl() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::create(&folder.path().join("ledger.sqlite")).await.unwrap();
        let elsewhere = Holder { machine: "another".to_owned(), ..holder(0) };
        ledger.lock(&elsewhere).await.unwrap();
        let (before, ttl) = (Instant::now(), Duration::from_millis(300));
        ledger.lock_after(&holder(0), ttl).await.unwrap();
        assert!(before.elapsed() >= ttl);
    }
}
