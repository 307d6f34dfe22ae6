//! What a rollout is about to do, written before it is done.

use arenactl_planning::rollout::{Effect, Event, Rollout};
use arenactl_planning::units::Timestamp;
use sqlx::{Connection as _, Row as _};

use crate::ledger::{Ledger, LedgerError};
use crate::lock::{Lock, LockError};

/// One step: a rollout's state and the effects that are to be performed next.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The state after the event.
    pub rollout: Rollout,
    /// What led here; `None` for the first step.
    pub event: Option<Event>,
    /// What is to be performed; repeating all of it is harmless.
    pub effects: Vec<Effect>,
    /// When it was written, by the backend's clock.
    pub at: Timestamp,
}

/// What somebody asks a running rollout to do, from another terminal.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Steering {
    /// Go on, whatever is waited for.
    Promote,
    /// Take it back.
    Abort {
        /// Why.
        reason: String,
    },
    /// Stop here until told.
    Pause,
    /// Go on waiting.
    Resume,
}

impl Steering {
    /// Returns the event that a rollout understands.
    #[must_use]
    pub fn into_event(self) -> Event {
        match self {
            Self::Promote => Event::Promote,
            Self::Abort { reason } => Event::Abort { reason },
            Self::Pause => Event::Pause,
            Self::Resume => Event::Resume,
        }
    }
}

impl Ledger {
    /// Writes a step, provided the lock is still ours: both in one transaction.
    ///
    /// # Errors
    /// [`LockError::Lost`] if the lock is another's; nothing was written then.
    pub async fn record(&mut self, lock: &Lock, id: &str, step: &Step) -> Result<(), LockError> {
        let path = self.path().to_path_buf();
        let failed = |source| LockError::Ledger(crate::ledger::classify(&path, source));
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let fence = sqlx::query("UPDATE lock SET version = version + 1 WHERE token = ?");
        let fenced = fence.bind(lock.token()).execute(&mut *transaction).await.map_err(failed)?;
        if fenced.rows_affected() == 0 {
            return Err(LockError::Lost);
        }
        let query = "INSERT INTO journal (rollout, step, at_ms, event, body, effects) \
                     VALUES (?, ?, ?, ?, ?, ?)";
        sqlx::query(query)
            .bind(id)
            .bind(step.rollout.step as i64)
            .bind(step.at.0 as i64)
            .bind(json(&step.event))
            .bind(json(&step.rollout))
            .bind(json(&step.effects))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Returns every step of a rollout, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn steps(&mut self, id: &str) -> Result<Vec<Step>, LedgerError> {
        let query =
            "SELECT at_ms, event, body, effects FROM journal WHERE rollout = ? ORDER BY step";
        let rows = sqlx::query(query).bind(id).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(|source| self.failed(source))?;
        let parse = |row: &sqlx::sqlite::SqliteRow| -> Result<Step, LedgerError> {
            Ok(Step {
                rollout: self.parse("journal", row.get("body"))?,
                event: self.parse("journal", row.get("event"))?,
                effects: self.parse("journal", row.get("effects"))?,
                at: Timestamp(row.get::<i64, _>("at_ms") as u64),
            })
        };
        rows.iter().map(parse).collect()
    }

    /// Returns the last step of a rollout.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn last_step(&mut self, id: &str) -> Result<Option<Step>, LedgerError> {
        Ok(self.steps(id).await?.pop())
    }

    /// Leaves a request for whoever drives the rollout.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn steer(&mut self, request: &Steering) -> Result<(), LedgerError> {
        let query = sqlx::query("INSERT INTO steering (request) VALUES (?)").bind(json(request));
        let done = query.execute(&mut self.connection).await;
        done.map(drop).map_err(|source| self.failed(source))
    }

    /// Takes the oldest request that somebody left.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn take_steering(&mut self) -> Result<Option<Steering>, LedgerError> {
        let query =
            "DELETE FROM steering WHERE id = (SELECT min(id) FROM steering) RETURNING request";
        let row = sqlx::query_scalar::<_, String>(query).fetch_optional(&mut self.connection).await;
        let row = row.map_err(|source| self.failed(source))?;
        row.map(|text| self.parse("steering", &text)).transpose()
    }

    /// Forgets requests that were meant for a rollout that is over.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn clear_steering(&mut self) -> Result<(), LedgerError> {
        let done = sqlx::query("DELETE FROM steering").execute(&mut self.connection).await;
        done.map(drop).map_err(|source| self.failed(source))
    }
}

pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types serialise to JSON")
}

/// Returns the one word that a plain enum serialises to.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> String {
    json(value).trim_matches('"').to_owned()
}
