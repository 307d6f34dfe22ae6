//! The table `lock`: one row.

use sqlx::Row as _;

use super::FileLedger;
use crate::ledger::{LedgerError, LockRow};
use crate::lock::{Holder, Lock, LockError, LockView};

impl FileLedger {
    pub(super) async fn bump_lock(&mut self, lock: &Lock) -> Result<(), LockError> {
        let query = sqlx::query("UPDATE lock SET version = version + 1 WHERE token = ?");
        let done = query.bind(lock.token()).execute(&mut self.connection).await;
        let done = done.map_err(|source| self.failed(source))?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(LockError::Lost) }
    }

    pub(super) async fn clear_lock(&mut self, lock: &Lock) -> Result<(), LedgerError> {
        let query = "UPDATE lock SET version = version + 1, token = NULL WHERE token = ?";
        let done = sqlx::query(query).bind(lock.token()).execute(&mut self.connection).await;
        done.map(drop).map_err(|source| self.failed(source))
    }

    pub(super) async fn remove_lock(&mut self) -> Result<(), LedgerError> {
        let query = "UPDATE lock SET version = version + 1, token = NULL";
        let done = sqlx::query(query).execute(&mut self.connection).await;
        done.map(drop).map_err(|source| self.failed(source))
    }

    pub(super) async fn take_lock(
        &mut self,
        version: u64,
        holder: &Holder,
    ) -> Result<Option<Lock>, LedgerError> {
        let lock = Lock::new(version, holder);
        let query = "UPDATE lock SET version = version + 1, token = ?, holder = ?, taken_ms = ? \
                     WHERE version = ?";
        let done = sqlx::query(query)
            .bind(lock.token())
            .bind(serde_json::to_string(holder).expect("our own type serialises"))
            .bind(crate::clock::now_ms() as i64)
            .bind(version as i64)
            .execute(&mut self.connection)
            .await
            .map_err(|source| self.failed(source))?;
        Ok((done.rows_affected() == 1).then_some(lock))
    }

    pub(super) async fn read_lock(&mut self) -> Result<LockRow, LedgerError> {
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
        Ok(LockRow { version: row.get::<i64, _>("version") as u64, view })
    }
}
