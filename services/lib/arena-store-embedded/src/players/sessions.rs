//! Sessions and their refresh tokens.

use std::time::Duration;

use arena_store::limits::PAGE_MAX;
use arena_store::{NewSession, Rotation, Session, SessionEnd, StoreError, TokenHash};
use arena_types::{PlayerId, SessionId};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _, SqliteConnection};

use super::accounts;
use super::keys::corrupt;
use crate::fault::Fault;

struct Row {
    id: i64,
    player: i64,
    device: String,
    created_ms: i64,
    expires_ms: i64,
    refreshed_ms: i64,
    token: Vec<u8>,
    traded: Option<Vec<u8>>,
    traded_ms: i64,
    ended: Option<String>,
    ended_ms: Option<i64>,
}

impl FromRow<'_, SqliteRow> for Row {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            player: row.try_get("player")?,
            device: row.try_get("device")?,
            created_ms: row.try_get("created_ms")?,
            expires_ms: row.try_get("expires_ms")?,
            refreshed_ms: row.try_get("refreshed_ms")?,
            token: row.try_get("token")?,
            traded: row.try_get("traded")?,
            traded_ms: row.try_get("traded_ms")?,
            ended: row.try_get("ended")?,
            ended_ms: row.try_get("ended_ms")?,
        })
    }
}

impl Row {
    fn into_session(self) -> Result<Session, Fault> {
        let ended = match (self.ended.as_deref(), self.ended_ms) {
            (None, _) => None,
            (Some(why), Some(when_ms)) => Some((reason(why)?, when_ms as u64)),
            (Some(why), None) => return Err(corrupt("sessions", why)),
        };
        Ok(Session {
            id: SessionId::from_u64(self.id as u64),
            player: accounts::player(self.player),
            device: self.device,
            created_ms: self.created_ms as u64,
            expires_ms: self.expires_ms as u64,
            refreshed_ms: self.refreshed_ms as u64,
            ended,
        })
    }
}

fn reason(text: &str) -> Result<SessionEnd, Fault> {
    match text {
        "logged-out" => Ok(SessionEnd::LoggedOut),
        "reused" => Ok(SessionEnd::Reused),
        "revoked" => Ok(SessionEnd::Revoked),
        other => Err(corrupt("sessions", other)),
    }
}

fn reason_text(end: SessionEnd) -> &'static str {
    match end {
        SessionEnd::LoggedOut => "logged-out",
        SessionEnd::Reused => "reused",
        SessionEnd::Revoked => "revoked",
    }
}

async fn row(
    connection: &mut SqliteConnection,
    session: SessionId,
) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM sessions WHERE id = ?1")
        .bind(session.as_u64() as i64)
        .fetch_optional(connection)
        .await
}

pub(super) async fn read(
    connection: &mut SqliteConnection,
    session: SessionId,
) -> Result<Option<Session>, Fault> {
    row(connection, session).await?.map(Row::into_session).transpose()
}

pub(super) async fn open_of(
    connection: &mut SqliteConnection,
    player: PlayerId,
) -> Result<Vec<Session>, Fault> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT * FROM sessions WHERE player = ?1 AND ended IS NULL \
         ORDER BY created_ms DESC LIMIT ?2",
    )
    .bind(accounts::id(player))
    .bind(PAGE_MAX as i64)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Row::into_session).collect()
}

pub(super) async fn open(
    connection: &mut SqliteConnection,
    session: &NewSession,
) -> Result<(), Fault> {
    accounts::require(connection, session.player).await?;
    if row(connection, session.id).await?.is_some() {
        return Err(StoreError::conflict(format!("session {}", session.id)).into());
    }
    sqlx::query(
        "INSERT INTO sessions \
         (id, player, device, created_ms, expires_ms, refreshed_ms, token, traded_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?4, ?6, 0)",
    )
    .bind(session.id.as_u64() as i64)
    .bind(accounts::id(session.player))
    .bind(&session.device)
    .bind(session.created_ms as i64)
    .bind(session.expires_ms as i64)
    .bind(&session.refresh.0[..])
    .execute(&mut *connection)
    .await?;
    remember(connection, session.refresh, session.id.as_u64() as i64).await
}

/// Writes down that a session has had a token.
async fn remember(
    connection: &mut SqliteConnection,
    token: TokenHash,
    session: i64,
) -> Result<(), Fault> {
    let added = sqlx::query(
        "INSERT INTO refresh_tokens (hash, session) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING",
    )
    .bind(&token.0[..])
    .bind(session)
    .execute(connection)
    .await?;
    match added.rows_affected() {
        0 => Err(StoreError::conflict("refresh token").into()),
        _ => Ok(()),
    }
}

/// A trade of a refresh token for the next one.
#[derive(Clone, Copy)]
pub(super) struct Trade {
    pub(super) presented: TokenHash,
    pub(super) next: TokenHash,
    pub(super) now_ms: u64,
    pub(super) grace: Duration,
}

impl Trade {
    pub(super) async fn run(self, connection: &mut SqliteConnection) -> Result<Rotation, Fault> {
        let owner: Option<i64> =
            sqlx::query_scalar("SELECT session FROM refresh_tokens WHERE hash = ?1")
                .bind(&self.presented.0[..])
                .fetch_optional(&mut *connection)
                .await?;
        let Some(owner) = owner else { return Ok(Rotation::Unknown) };
        let Some(row) = row(connection, SessionId::from_u64(owner as u64)).await? else {
            return Err(corrupt("refresh_tokens", "a token without its session"));
        };
        let is_current = row.token == self.presented.0;
        if row.ended.is_some() {
            let session = row.into_session()?;
            return Ok(if is_current {
                Rotation::Ended(session)
            } else {
                Rotation::Reused(session)
            });
        }
        if self.now_ms >= row.expires_ms as u64 {
            return Ok(Rotation::Expired(row.into_session()?));
        }
        if is_current {
            self.give_next(connection, row, self.now_ms).await
        } else if self.is_forgiven(&row) {
            let traded_ms = row.traded_ms as u64;
            self.give_next(connection, row, traded_ms).await
        } else {
            let id = SessionId::from_u64(owner as u64);
            end(connection, id, SessionEnd::Reused, self.now_ms).await?;
            let ended = Some((SessionEnd::Reused, self.now_ms));
            Ok(Rotation::Reused(Session { ended, ..row.into_session()? }))
        }
    }

    /// A token that was just traded is presented again because its reply was lost.
    fn is_forgiven(self, row: &Row) -> bool {
        let age_ms = self.now_ms.saturating_sub(row.traded_ms as u64);
        row.traded.as_deref() == Some(&self.presented.0)
            && u128::from(age_ms) < self.grace.as_millis()
    }

    async fn give_next(
        self,
        connection: &mut SqliteConnection,
        row: Row,
        traded_ms: u64,
    ) -> Result<Rotation, Fault> {
        if row.token != self.next.0 {
            remember(connection, self.next, row.id).await?;
        }
        sqlx::query(
            "UPDATE sessions SET token = ?2, traded = ?3, traded_ms = ?4, refreshed_ms = ?5 \
             WHERE id = ?1",
        )
        .bind(row.id)
        .bind(&self.next.0[..])
        .bind(&self.presented.0[..])
        .bind(traded_ms as i64)
        .bind(self.now_ms as i64)
        .execute(connection)
        .await?;
        let session = row.into_session()?;
        Ok(Rotation::Rotated(Session { refreshed_ms: self.now_ms, ..session }))
    }
}

pub(super) async fn end(
    connection: &mut SqliteConnection,
    session: SessionId,
    why: SessionEnd,
    now_ms: u64,
) -> Result<bool, Fault> {
    let ended = sqlx::query(
        "UPDATE sessions SET ended = ?2, ended_ms = ?3 WHERE id = ?1 AND ended IS NULL",
    )
    .bind(session.as_u64() as i64)
    .bind(reason_text(why))
    .bind(now_ms as i64)
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() > 0)
}

pub(super) async fn end_all(
    connection: &mut SqliteConnection,
    player: PlayerId,
    why: SessionEnd,
    now_ms: u64,
) -> Result<Vec<SessionId>, Fault> {
    let ended: Vec<i64> = sqlx::query_scalar(
        "UPDATE sessions SET ended = ?2, ended_ms = ?3 WHERE player = ?1 AND ended IS NULL \
         RETURNING id",
    )
    .bind(accounts::id(player))
    .bind(reason_text(why))
    .bind(now_ms as i64)
    .fetch_all(connection)
    .await?;
    Ok(ended.into_iter().map(|it| SessionId::from_u64(it as u64)).collect())
}

pub(super) async fn purge(connection: &mut SqliteConnection, before_ms: u64) -> Result<u64, Fault> {
    let purged = sqlx::query(
        "DELETE FROM sessions WHERE id IN \
         (SELECT id FROM sessions WHERE expires_ms < ?1 LIMIT ?2)",
    )
    .bind(before_ms as i64)
    .bind(PAGE_MAX as i64)
    .execute(connection)
    .await?;
    Ok(purged.rows_affected())
}
