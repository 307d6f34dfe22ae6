//! Regions whose matches are far longer than what is done to them, and where those are.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Pid;
use serde_json::Value;

use crate::http::get;
use crate::region::{TestRegion, wait_for};

/// Matches are at another instance, or have a warm copy there, within this time, on a machine that also compiles.
const LIMIT: Duration = Duration::from_mins(1);

/// Two game instances; a match of ten minutes: what ends earlier was lost.
pub const SETTINGS: &[&str] = &[
    "services.gateway.ports.public=0",
    "services.game.instances=2",
    "rules.match.time_limit_ticks=36000",
    "rules.match.frag_limit=0",
];

/// A warm copy of every match at another instance.
pub const SHADOWED: &str = "services.matchmaker.env.ARENA_MATCHMAKER_FAILOVER=arena=shadow";

/// Returns an instance's name.
#[must_use]
pub fn name(instance: &Value) -> &str {
    instance["instance"].as_str().unwrap_or_default()
}

/// Returns how many matches an instance has.
#[must_use]
pub fn matches(instance: &Value) -> u64 {
    instance["matches"].as_u64().unwrap_or_default()
}

/// Returns an instance's process.
///
/// # Errors
/// If it has none.
pub fn pid(instance: &Value) -> anyhow::Result<Pid> {
    let pid = instance["pid"].as_i64().context("the instance's pid")?;
    Pid::from_raw(i32::try_from(pid)?).context("a pid is not 0")
}

/// Returns the game that has most matches.
///
/// # Errors
/// If the region does not say, or there is no match.
pub async fn busiest(region: &TestRegion) -> anyhow::Result<Value> {
    let busiest = region.live("game").await?.into_iter().max_by_key(matches);
    let busiest = busiest.context("a game instance")?;
    ensure!(matches(&busiest) > 0, "{busiest}");
    Ok(busiest)
}

/// Returns how many matches there are.
///
/// # Errors
/// If the region does not say.
pub async fn all_matches(region: &TestRegion) -> anyhow::Result<u64> {
    Ok(region.live("game").await?.iter().map(matches).sum())
}

/// Returns how many matches the other games have.
///
/// # Errors
/// If the region does not say.
pub async fn elsewhere(region: &TestRegion, than: &Value) -> anyhow::Result<u64> {
    let games = region.live("game").await?;
    Ok(games.iter().filter(|it| name(it) != name(than)).map(matches).sum())
}

/// Waits until other instances have gone on with all matches of one that is thought dead.
///
/// # Errors
/// If they have not in a minute.
pub async fn taken_over(region: &TestRegion, dead: &Value, all: u64) -> anyhow::Result<()> {
    wait_for("the matches at another instance", LIMIT, || async {
        Ok((elsewhere(region, dead).await? >= all).then_some(()))
    })
    .await
}

/// Returns a figure of an instance, summed over its labels; 0 if it is not there.
///
/// # Errors
/// If the instance does not answer.
pub async fn figure(instance: &Value, figure: &str) -> anyhow::Result<f64> {
    let side = instance["addresses"]["side"].as_str().context("a side port")?;
    let text = get(side, "/metrics").await?;
    let lines = text.lines().filter_map(|it| it.strip_prefix(figure));
    let values = lines.filter(|it| it.starts_with([' ', '{'])).filter_map(|it| {
        let (_, value) = it.rsplit_once(' ')?;
        value.parse::<f64>().ok()
    });
    Ok(values.sum())
}

/// Waits until each of `all` matches has a copy that has all that is shown of it, at another instance than its own.
///
/// # Errors
/// If they have not in a minute, or an instance does not answer.
pub async fn covered(region: &TestRegion, all: u64) -> anyhow::Result<()> {
    wait_for("a warm copy of every match", LIMIT, || async {
        let games = region.live("game").await?;
        let mut covered = 0.0;
        for game in &games {
            covered += figure(game, "arena_game_shadow_matches").await?;
        }
        let kept: u64 = games.iter().filter_map(|it| it["shadows"].as_u64()).sum();
        Ok((covered >= all as f64 && kept >= all).then_some(()))
    })
    .await
}
