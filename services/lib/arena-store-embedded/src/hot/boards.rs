//! Leaderboards. A rank counts the lines above it: O(rank), by an index in rank order.

use arena_store::limits::SCORE_MAX;
use arena_store::{BoardEntry, BoardWrite, Score, StoreError};
use sqlx::SqliteConnection;

use crate::fault::Fault;

pub(super) async fn write(
    connection: &mut SqliteConnection,
    board: &str,
    how: BoardWrite,
    scores: Vec<(String, Score)>,
) -> Result<Vec<Score>, Fault> {
    let mut written = Vec::with_capacity(scores.len());
    for (member, score) in scores {
        let before = score_of(connection, board, &member).await?;
        let now = match how {
            BoardWrite::Set => Some(score),
            BoardWrite::Best => Some(before.map_or(score, |it| it.max(score))),
            BoardWrite::Add => before.unwrap_or(0).checked_add(score),
        };
        let now = now.filter(|it| it.unsigned_abs() <= SCORE_MAX.unsigned_abs());
        let Some(now) = now else {
            let reason = format!("the score of `{member}` passes ±{SCORE_MAX}");
            return Err(StoreError::invalid("score", reason).into());
        };
        sqlx::query(
            "INSERT INTO scores (board, member, score) VALUES (?1, ?2, ?3) \
             ON CONFLICT (board, member) DO UPDATE SET score = ?3",
        )
        .bind(board)
        .bind(member)
        .bind(now)
        .execute(&mut *connection)
        .await?;
        written.push(now);
    }
    Ok(written)
}

async fn score_of(
    connection: &mut SqliteConnection,
    board: &str,
    member: &str,
) -> Result<Option<Score>, sqlx::Error> {
    sqlx::query_scalar("SELECT score FROM scores WHERE board = ?1 AND member = ?2")
        .bind(board)
        .bind(member)
        .fetch_optional(connection)
        .await
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    board: &str,
    member: &str,
) -> Result<bool, Fault> {
    let removed = sqlx::query("DELETE FROM scores WHERE board = ?1 AND member = ?2")
        .bind(board)
        .bind(member)
        .execute(connection)
        .await?;
    Ok(removed.rows_affected() > 0)
}

pub(super) async fn rank(
    connection: &mut SqliteConnection,
    board: &str,
    member: &str,
) -> Result<Option<BoardEntry>, sqlx::Error> {
    let Some(score) = score_of(connection, board, member).await? else { return Ok(None) };
    let above: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM scores WHERE board = ?1 AND score > ?2) + \
                (SELECT count(*) FROM scores WHERE board = ?1 AND score = ?2 AND member < ?3)",
    )
    .bind(board)
    .bind(score)
    .bind(member)
    .fetch_one(connection)
    .await?;
    Ok(Some(BoardEntry { member: member.to_owned(), score, rank: above as u64 }))
}

pub(super) async fn range(
    connection: &mut SqliteConnection,
    board: &str,
    first: u64,
    count: i64,
) -> Result<Vec<BoardEntry>, sqlx::Error> {
    let rows: Vec<(String, Score)> = sqlx::query_as(
        "SELECT member, score FROM scores WHERE board = ?1 \
         ORDER BY score DESC, member LIMIT ?2 OFFSET ?3",
    )
    .bind(board)
    .bind(count)
    .bind(i64::try_from(first).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    let line = |(rank, (member, score))| BoardEntry { member, score, rank };
    Ok((first..).zip(rows).map(line).collect())
}

pub(super) async fn around(
    connection: &mut SqliteConnection,
    board: &str,
    member: &str,
    radius: u64,
) -> Result<Vec<BoardEntry>, sqlx::Error> {
    let Some(line) = rank(connection, board, member).await? else { return Ok(Vec::new()) };
    let first = line.rank.saturating_sub(radius);
    let count = line.rank - first + radius + 1;
    range(connection, board, first, count as i64).await
}
