//! The tables `journal` and `steering`.

use arenactl_planning::units::Timestamp;
use serde_json::Value;
use sqlx::{Connection as _, Row as _};

use super::FileLedger;
use crate::journal::{Steering, Step, StepError, json};
use crate::ledger::LedgerError;
use crate::lock::{Lock, LockError};

impl FileLedger {
    pub(super) async fn append_step(
        &mut self,
        lock: &Lock,
        id: &str,
        step: &Step,
    ) -> Result<(), LockError> {
        let path = self.path.clone();
        let failed = |source| LockError::Ledger(super::classify(&path, source));
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

    pub(super) async fn read_steps(&mut self, id: &str) -> Result<Vec<Step>, LedgerError> {
        let query =
            "SELECT at_ms, event, body, effects FROM journal WHERE rollout = ? ORDER BY step";
        let rows = sqlx::query(query).bind(id).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(|source| self.failed(source))?;
        let parse = |row: &sqlx::sqlite::SqliteRow| -> Result<Step, LedgerError> {
            let column = |name| self.parse::<Value>("journal", row.get(name));
            let written = serde_json::json!({
                "rollout": column("body")?,
                "event": column("event")?,
                "effects": column("effects")?,
                "at": Timestamp(row.get::<i64, _>("at_ms") as u64),
            });
            Step::read(written).map_err(|error| match error {
                StepError::Version { found, known } => LedgerError::Journal { found, known },
                StepError::Json(source) => self.unparsed("journal", source),
            })
        };
        rows.iter().map(parse).collect()
    }

    pub(super) async fn leave_request(&mut self, request: &Steering) -> Result<(), LedgerError> {
        let query = sqlx::query("INSERT INTO steering (request) VALUES (?)").bind(json(request));
        let done = query.execute(&mut self.connection).await;
        done.map(drop).map_err(|source| self.failed(source))
    }

    pub(super) async fn take_request(&mut self) -> Result<Option<Steering>, LedgerError> {
        let query =
            "DELETE FROM steering WHERE id = (SELECT min(id) FROM steering) RETURNING request";
        let row = sqlx::query_scalar::<_, String>(query).fetch_optional(&mut self.connection).await;
        let row = row.map_err(|source| self.failed(source))?;
        row.map(|text| self.parse("steering", &text)).transpose()
    }

    pub(super) async fn clear_requests(&mut self) -> Result<(), LedgerError> {
        let done = sqlx::query("DELETE FROM steering").execute(&mut self.connection).await;
        done.map(drop).map_err(|source| self.failed(source))
    }
}
