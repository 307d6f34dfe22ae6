//! Two releases while people play, and the way back.

use std::time::Duration;

use anyhow::ensure;
use arena_tests::{Bots, TestRegion, wait_for};
use serde_json::Value;

use super::SETTINGS;

/// Players of the load test.
const PLAYERS: u32 = 200;
/// All of them are in a match within this time, on a machine that does nothing else.
const PLAYING_LIMIT: Duration = Duration::from_secs(90);

async fn all_play(region: &TestRegion) -> anyhow::Result<()> {
    wait_for("all bots in a match", PLAYING_LIMIT, || async {
        Ok((region.sessions("game").await? >= u64::from(PLAYERS) * 9 / 10).then_some(()))
    })
    .await
}

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
    let bots = Bots::start(&region.url().await?, PLAYERS, 7)?;
    all_play(&region).await?;

    // Every service changes, the gateways under open connections included.
    let change =
        ["--set", "services.game.env.ARENA_TEST=2", "--set", "services.gateway.env.ARENA_TEST=2"];
    region.deploy(&change).await?.expect_code(0)?;
    let history = region.run(&["history", "--output", "json"]).await?.expect_code(0)?.json()?;
    assert_eq!(revisions(&history), owned(&[(1, "r1"), (2, "r2")]), "{history}");
    for game in region.instances("game").await? {
        ensure!(game["release"] == "r2" || game["state"] == "stopped", "{game}");
    }
    all_play(&region).await?;

    region.run(&["rollback", "--yes"]).await?.expect_code(0)?;
    let history = region.run(&["history", "--output", "json"]).await?.expect_code(0)?.json()?;
    assert_eq!(revisions(&history), owned(&[(1, "r1"), (2, "r2"), (3, "r1")]), "{history}");
    all_play(&region).await?;

    let report = bots.stop().await?;
    println!("{}", report.0);
    assert_eq!(report.count("dropped_sessions")?, 0, "{}", report.0);
    assert_eq!(report.count("protocol_errors")?, 0, "{}", report.0);
    assert_eq!(report.count("sessions")?, u64::from(PLAYERS), "{}", report.0);
    assert!(report.count("matches_finished")? > 0, "{}", report.0);
    region.close().await
}
