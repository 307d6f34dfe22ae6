//! Match results and history.

use arena_store::{HistoryCursor, MatchResult, PlayerResult, RatingUpdate, Recorded};
use arena_types::{MatchId, PlayerId, ReleaseId};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _, SqliteConnection};

use super::keys::corrupt;
use super::{accounts, ratings};
use crate::fault::Fault;

struct Row {
    id: i64,
    mode: String,
    region: String,
    release: i64,
    rules_version: i64,
    seed: i64,
    started_ms: i64,
    ended_ms: i64,
    bots: i64,
    replay: Option<String>,
}

impl FromRow<'_, SqliteRow> for Row {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            mode: row.try_get("mode")?,
            region: row.try_get("region")?,
            release: row.try_get("release")?,
            rules_version: row.try_get("rules_version")?,
            seed: row.try_get("seed")?,
            started_ms: row.try_get("started_ms")?,
            ended_ms: row.try_get("ended_ms")?,
            bots: row.try_get("bots")?,
            replay: row.try_get("replay")?,
        })
    }
}

struct Line {
    player: i64,
    name: String,
    placement: i64,
    score: i64,
    kills: i64,
    deaths: i64,
    rating_change: f64,
}

impl FromRow<'_, SqliteRow> for Line {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            player: row.try_get("player")?,
            name: row.try_get("name")?,
            placement: row.try_get("placement")?,
            score: row.try_get("score")?,
            kills: row.try_get("kills")?,
            deaths: row.try_get("deaths")?,
            rating_change: row.try_get("rating_change")?,
        })
    }
}

impl Row {
    fn into_result(self, lines: Vec<Line>) -> Result<MatchResult, Fault> {
        Ok(MatchResult {
            id: MatchId::from_u64(self.id as u64),
            mode: self.mode,
            region: self.region.parse().map_err(|_| corrupt("results", "a region"))?,
            release: ReleaseId(self.release as u32),
            rules_version: self.rules_version as u32,
            seed: self.seed as u64,
            started_ms: self.started_ms as u64,
            ended_ms: self.ended_ms as u64,
            bots: self.bots as u32,
            players: lines.into_iter().map(Line::into_player).collect(),
            replay: self.replay,
        })
    }
}

impl Line {
    fn into_player(self) -> PlayerResult {
        PlayerResult {
            player: accounts::player(self.player),
            name: self.name,
            placement: self.placement as u32,
            score: self.score,
            kills: self.kills as u32,
            deaths: self.deaths as u32,
            rating_change: self.rating_change,
        }
    }
}

pub(super) async fn record(
    connection: &mut SqliteConnection,
    result: &MatchResult,
    updates: &[RatingUpdate],
) -> Result<Recorded, Fault> {
    let added = sqlx::query(
        "INSERT INTO results \
         (id, mode, region, release, rules_version, seed, started_ms, ended_ms, bots, replay) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING",
    )
    .bind(result.id.as_u64() as i64)
    .bind(&result.mode)
    .bind(result.region.as_str())
    .bind(i64::from(result.release.0))
    .bind(i64::from(result.rules_version))
    .bind(result.seed as i64)
    .bind(result.started_ms as i64)
    .bind(result.ended_ms as i64)
    .bind(i64::from(result.bots))
    .bind(&result.replay)
    .execute(&mut *connection)
    .await?;
    if added.rows_affected() == 0 {
        return Ok(Recorded::Before);
    }
    for (number, line) in (0_i64..).zip(&result.players) {
        record_line(connection, result, number, line).await?;
    }
    for update in updates {
        ratings::update(connection, update, result.ended_ms).await?;
    }
    Ok(Recorded::New)
}

async fn record_line(
    connection: &mut SqliteConnection,
    result: &MatchResult,
    number: i64,
    line: &PlayerResult,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO result_lines (result, line, player, ended_ms, name, placement, score, kills, \
         deaths, rating_change) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(result.id.as_u64() as i64)
    .bind(number)
    .bind(accounts::id(line.player))
    .bind(result.ended_ms as i64)
    .bind(&line.name)
    .bind(i64::from(line.placement))
    .bind(line.score)
    .bind(i64::from(line.kills))
    .bind(i64::from(line.deaths))
    .bind(line.rating_change)
    .execute(connection)
    .await?;
    Ok(())
}

async fn lines(connection: &mut SqliteConnection, result: i64) -> Result<Vec<Line>, sqlx::Error> {
    sqlx::query_as(
        "SELECT player, name, placement, score, kills, deaths, rating_change FROM result_lines \
         WHERE result = ?1 ORDER BY line",
    )
    .bind(result)
    .fetch_all(connection)
    .await
}

pub(super) async fn read(
    connection: &mut SqliteConnection,
    id: MatchId,
) -> Result<Option<MatchResult>, Fault> {
    let row: Option<Row> = sqlx::query_as("SELECT * FROM results WHERE id = ?1")
        .bind(id.as_u64() as i64)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let lines = lines(connection, row.id).await?;
    row.into_result(lines).map(Some)
}

pub(super) async fn history(
    connection: &mut SqliteConnection,
    player: PlayerId,
    before: Option<HistoryCursor>,
    count: usize,
) -> Result<Vec<MatchResult>, Fault> {
    let end = HistoryCursor { ended_ms: i64::MAX as u64, id: MatchId::from_u64(i64::MAX as u64) };
    let before = before.unwrap_or(end);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT r.* FROM result_lines l JOIN results r ON l.result = r.id WHERE l.player = ?1 \
         AND (l.ended_ms, l.result) < (?2, ?3) ORDER BY l.ended_ms DESC, l.result DESC LIMIT ?4",
    )
    .bind(accounts::id(player))
    .bind(before.ended_ms as i64)
    .bind(before.id.as_u64() as i64)
    .bind(count as i64)
    .fetch_all(&mut *connection)
    .await?;
    let mut history = Vec::with_capacity(rows.len());
    for row in rows {
        let lines = lines(connection, row.id).await?;
        history.push(row.into_result(lines)?);
    }
    Ok(history)
}
