//! Two releases while people play, and the way back.

use std::time::Duration;

use anyhow::ensure;
use arena_tests::{Bots, TestRegion, wait_for};
use serde_json::Value;

use super::SETTINGS;

/// Players of the load test.
const PLAYERS: u64 = 200;
/// Between two matches a bot looks at the standings: nine of ten play at once, hardly ever all.
const PLAYING: u64 = PLAYERS * 9 / 10;
/// A match lasts twenty seconds; one has ended within this time.
const MATCH_LIMIT: Duration = Duration::from_mins(1);

fn revisions(history: &Value) -> Vec<(u64, String)> {
    let rows = history["revisions"].as_array().cloned().unwrap_or_default();
    rows.iter()
        .map(|it| {
            let release = it["release"].as_str().unwrap_or_default().to_owned();
            (it["revision"].as_u64().unwrap_or_default(), release)
        })
        .collect()
}

fn owned(rows: &[(u64, &str)]) -> Vec<(u64, String)> {
    rows.iter().map(|(revision, release)| (*revision, (*release).to_owned())).collect()
}

#[tokio::test]
async fn two_hundred_players_keep_their_sessions_through_a_deploy_and_a_rollback()
-> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    for instance in region.status().await?["instances"].as_array().into_iter().flatten() {
        assert_eq!(instance["state"], "ready", "{instance}");
    }
    let bots = Bots::start(&region.url().await?, u32::try_from(PLAYERS)?, 7)?;
    region.all_play(PLAYING).await?;

    // Every service changes, the gateways under open connections included.
    let change =
        ["--set", "services.game.env.ARENA_TEST=2", "--set", "services.gateway.env.ARENA_TEST=2"];
    region.deploy(&change).await?.expect_code(0)?;
    let history = region.run(&["history", "--output", "json"]).await?.expect_code(0)?.json()?;
    assert_eq!(revisions(&history), owned(&[(1, "r1"), (2, "r2")]), "{history}");
    for game in region.live("game").await? {
        ensure!(game["release"] == "r2", "{game}");
    }
    region.all_play(PLAYING).await?;

    region.run(&["rollback", "--yes"]).await?.expect_code(0)?;
    let history = region.run(&["history", "--output", "json"]).await?.expect_code(0)?.json()?;
    assert_eq!(revisions(&history), owned(&[(1, "r1"), (2, "r2"), (3, "r1")]), "{history}");
    region.all_play(PLAYING).await?;

    wait_for("a match to end", MATCH_LIMIT, || async {
        Ok((region.ranked().await? > 0).then_some(()))
    })
    .await?;
    let report = bots.stop().await?;
    println!("{}", report.0);
    report.expect_unnoticed(&[("sessions", PLAYERS)])?;
    ensure!(report.count("matches_finished")? > 0, "{}", report.0);
    region.close().await
}
