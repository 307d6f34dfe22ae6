//! The tables `release` and `revision`.

use arenactl_planning::release::Release;
use sqlx::{Connection as _, Row as _};

use super::{FileLedger, classify};
use crate::history::{History, Revision, RevisionStatus};
use crate::journal::{json, word};
use crate::ledger::LedgerError;

impl FileLedger {
    pub(super) async fn read_history(&mut self) -> Result<History, LedgerError> {
        let query = "SELECT * FROM revision ORDER BY number";
        let rows = sqlx::query(query).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(|source| self.failed(source))?;
        let revisions = rows.iter().map(|row| self.revision(row)).collect::<Result<_, _>>()?;
        let query = "SELECT body FROM release ORDER BY number";
        let rows = sqlx::query_scalar::<_, String>(query).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(|source| self.failed(source))?;
        let parse = |text: &String| {
            let release: Release = self.parse("release", text)?;
            Ok((release.id, release))
        };
        let releases = rows.iter().map(parse).collect::<Result<_, LedgerError>>()?;
        Ok(History { revisions, releases })
    }

    pub(super) async fn append_revision(
        &mut self,
        revision: &Revision,
        release: &Release,
    ) -> Result<(), LedgerError> {
        let path = self.path.clone();
        let failed = |source| classify(&path, source);
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        sqlx::query("INSERT OR IGNORE INTO release (id, number, body) VALUES (?, ?, ?)")
            .bind(release.id.to_string())
            .bind(i64::from(release.id.0))
            .bind(json(release))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let query = "INSERT INTO revision VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)";
        sqlx::query(query)
            .bind(i64::from(revision.number))
            .bind(revision.release.to_string())
            .bind(&revision.rollout)
            .bind(word(&revision.kind))
            .bind(&revision.strategy)
            .bind(&revision.who)
            .bind(&revision.why)
            .bind(revision.started_ms as i64)
            .bind(word(&revision.status))
            .bind(&revision.note)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    pub(super) async fn end_revision(
        &mut self,
        number: u32,
        status: RevisionStatus,
        note: &str,
        at_ms: u64,
    ) -> Result<(), LedgerError> {
        let query = "UPDATE revision SET status = ?, note = ?, ended_ms = ? WHERE number = ?";
        let done = sqlx::query(query)
            .bind(word(&status))
            .bind(note)
            .bind(at_ms as i64)
            .bind(i64::from(number))
            .execute(&mut self.connection)
            .await;
        done.map(drop).map_err(|source| self.failed(source))
    }

    fn revision(&self, row: &sqlx::sqlite::SqliteRow) -> Result<Revision, LedgerError> {
        let quoted = |column: &str| format!("\"{}\"", row.get::<&str, _>(column));
        Ok(Revision {
            number: row.get::<u32, _>("number"),
            release: self.parse("revision", &quoted("release"))?,
            rollout: row.get("rollout"),
            kind: self.parse("revision", &quoted("kind"))?,
            strategy: row.get("strategy"),
            who: row.get("who"),
            why: row.get("why"),
            started_ms: row.get::<i64, _>("started_ms") as u64,
            ended_ms: row.get::<Option<i64>, _>("ended_ms").map(|at| at as u64),
            status: self.parse("revision", &quoted("status"))?,
            note: row.get("note"),
        })
    }
}
