//! Regions whose matches are far longer than what is done to them, and where those are.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Pid;
use serde_json::Value;

use crate::region::{TestRegion, wait_for};

/// Matches are at another instance within this time, on a machine that also compiles.
const TAKE_OVER_LIMIT: Duration = Duration::from_mins(1);

/// Two game instances; a match of ten minutes: what ends earlier was lost.
pub const SETTINGS: &[&str] = &[
    "services.gateway.ports.public=0",
    "services.game.instances=2",
    "rules.match.time_limit_ticks=36000",
    "rules.match.frag_limit=0",
];

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
    wait_for("the matches at another instance", TAKE_OVER_LIMIT, || async {
        Ok((elsewhere(region, dead).await? >= all).then_some(()))
    })
    .await
}
