//! Tables: REST in front of the stats service, and the gateway's own status.

use arena_types::PlayerId;
use arena_wire::stats::v1;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::routes::{Rest, timed};

/// Rows of a table at most; more is another page's business.
const ROWS_MAX: u32 = 100;
const ROWS_DEFAULT: u32 = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<u32>,
    around: Option<String>,
}

impl Page {
    fn limit(&self) -> Result<u32, ApiError> {
        match self.limit.unwrap_or(ROWS_DEFAULT) {
            limit @ 1..=ROWS_MAX => Ok(limit),
            limit => {
                let rule = format!("limit is {limit}, it must be 1 to {ROWS_MAX}");
                Err(ApiError::BadRequest(rule))
            }
        }
    }
}

#[derive(Serialize)]
pub(super) struct Leaderboard {
    rows: Vec<LeaderboardRow>,
}

#[derive(Serialize)]
struct LeaderboardRow {
    rank: u32,
    player: String,
    display_name: String,
    rating: f64,
}

pub(super) async fn leaderboard(rest: Rest, page: Page) -> Result<Leaderboard, ApiError> {
    let limit = page.limit()?;
    let around = page.around.unwrap_or_default();
    if !around.is_empty() && around.parse::<PlayerId>().is_err() {
        return Err(ApiError::BadRequest("around is not a player id".to_owned()));
    }
    let request = timed(v1::LeaderboardRequest { limit, around });
    let rows = rest.upstream.stats().leaderboard(request).await?.into_inner().rows;
    let row = |it: v1::LeaderboardRow| LeaderboardRow {
        rank: it.rank,
        player: it.player,
        display_name: it.display_name,
        rating: it.rating,
    };
    Ok(Leaderboard { rows: rows.into_iter().map(row).collect() })
}

#[derive(Serialize)]
pub(super) struct Profile {
    player: String,
    display_name: String,
    rating: f64,
    uncertainty: f64,
    matches: u32,
    wins: u32,
    kills: u32,
    deaths: u32,
}

pub(super) async fn profile(rest: Rest, player: PlayerId) -> Result<Profile, ApiError> {
    let request = timed(v1::ProfileRequest { player: player.to_string() });
    let it = rest.upstream.stats().profile(request).await?.into_inner();
    Ok(Profile {
        player: it.player,
        display_name: it.display_name,
        rating: it.rating,
        uncertainty: it.uncertainty,
        matches: it.matches,
        wins: it.wins,
        kills: it.kills,
        deaths: it.deaths,
    })
}

#[derive(Serialize)]
pub(super) struct History {
    matches: Vec<PlayedMatch>,
}

#[derive(Serialize)]
struct PlayedMatch {
    #[serde(rename = "match")]
    match_id: String,
    mode: String,
    release: String,
    started_ms: u64,
    ended_ms: u64,
    standings: Vec<Standing>,
}

#[derive(Serialize)]
struct Standing {
    player: Option<String>,
    display_name: String,
    rank: u32,
    kills: u32,
    deaths: u32,
    left: bool,
}

pub(super) async fn history(rest: Rest, player: PlayerId, page: Page) -> Result<History, ApiError> {
    let request = v1::HistoryRequest { player: player.to_string(), limit: page.limit()? };
    let matches = rest.upstream.stats().history(timed(request)).await?.into_inner().matches;
    Ok(History { matches: matches.into_iter().map(played).collect() })
}

fn played(it: v1::MatchResult) -> PlayedMatch {
    let standing = |it: v1::Standing| Standing {
        player: Some(it.player).filter(|it| !it.is_empty()),
        display_name: it.display_name,
        rank: it.rank,
        kills: it.kills,
        deaths: it.deaths,
        left: it.left,
    };
    PlayedMatch {
        match_id: it.r#match,
        mode: it.mode,
        release: it.release,
        started_ms: it.started_ms,
        ended_ms: it.ended_ms,
        standings: it.standings.into_iter().map(standing).collect(),
    }
}

#[derive(Serialize)]
pub(super) struct Status {
    region: String,
    release: String,
    instance: String,
    players: u32,
    draining: bool,
}

pub(super) fn status(rest: &Rest) -> Status {
    let site = &rest.site;
    Status {
        region: site.region.to_string(),
        release: site.release.to_string(),
        instance: site.instance.to_string(),
        players: rest.sessions.count(),
        draining: rest.sessions.is_draining(),
    }
}
