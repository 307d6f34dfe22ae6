//! Regions whose matches are far longer than the test, and where those are.

use anyhow::{Context as _, ensure};
use arena_tests::TestRegion;
use serde_json::Value;

/// Two game instances; a match of ten minutes: what ends earlier was lost.
pub(super) const SETTINGS: &[&str] = &[
    "services.gateway.ports.public=0",
    "services.game.instances=2",
    "rules.match.time_limit_ticks=36000",
    "rules.match.frag_limit=0",
];

pub(super) fn name(instance: &Value) -> &str {
    instance["instance"].as_str().unwrap_or_default()
}

pub(super) fn matches(instance: &Value) -> u64 {
    instance["matches"].as_u64().unwrap_or_default()
}

/// Returns the game that has most matches.
pub(super) async fn busiest(region: &TestRegion) -> anyhow::Result<Value> {
    let busiest = region.live("game").await?.into_iter().max_by_key(matches);
    let busiest = busiest.context("a game instance")?;
    ensure!(matches(&busiest) > 0, "{busiest}");
    Ok(busiest)
}

/// Returns how many matches the other games have.
pub(super) async fn elsewhere(region: &TestRegion, than: &Value) -> anyhow::Result<u64> {
    let games = region.live("game").await?;
    Ok(games.iter().filter(|it| name(it) != name(than)).map(matches).sum())
}
