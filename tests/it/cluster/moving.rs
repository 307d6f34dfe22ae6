//! Matches change their owner while they are played, and no player notices.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use arena_tests::{Bots, TestRegion, wait_for};
use serde_json::Value;

/// Two game instances, and matches far longer than the test: what ends early has moved.
const SETTINGS: &[&str] = &[
    "services.gateway.ports.public=0",
    "services.game.instances=2",
    "rules.match.time_limit_ticks=36000",
    "rules.match.frag_limit=0",
];
const PLAYERS: u32 = 32;
/// All of them play within this time, on a machine that is busy.
const PLAYING_LIMIT: Duration = Duration::from_mins(1);
/// No match ends by itself before: 36 000 ticks, 60 a second.
const MATCH_LENGTH: Duration = Duration::from_mins(10);

async fn games(region: &TestRegion) -> anyhow::Result<Vec<Value>> {
    let games = region.instances("game").await?;
    Ok(games.into_iter().filter(|it| it["state"] != "stopped").collect())
}

fn count(instance: &Value, what: &str) -> u64 {
    instance[what].as_u64().unwrap_or_default()
}

async fn all_play(region: &TestRegion) -> anyhow::Result<()> {
    wait_for("all bots in a match", PLAYING_LIMIT, || async {
        Ok((region.sessions("game").await? >= u64::from(PLAYERS)).then_some(()))
    })
    .await
}

#[tokio::test]
async fn matches_move_off_a_drained_instance_and_to_a_new_release_while_they_are_played()
-> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let played_since = Instant::now();
    let bots = Bots::start(&region.url().await?, PLAYERS, 11)?;
    all_play(&region).await?;

    let busiest = games(&region).await?.into_iter().max_by_key(|it| count(it, "matches"));
    let busiest = busiest.context("a game instance")?;
    let name = busiest["instance"].as_str().context("its name")?.to_owned();
    let matches = count(&busiest, "matches");
    ensure!(matches > 0, "{busiest}");
    let begun = Instant::now();
    let drained = region.run(&["drain", &name, "--deadline", "60s"]).await?.expect_code(0)?;
    println!("{}{}", drained.stdout, drained.stderr);
    println!("{matches} matches left {name} in {:?}", begun.elapsed());
    let after = games(&region).await?;
    let moved: u64 =
        after.iter().filter(|it| it["instance"] != *name).map(|it| count(it, "matches")).sum();
    ensure!(moved >= matches, "{after:?}");
    region.run(&["drain", &name, "--cancel"]).await?.expect_code(0)?;

    let begun = Instant::now();
    region.deploy(&["--set", "services.game.env.ARENA_TEST=2"]).await?.expect_code(0)?;
    println!("a release under {PLAYERS} players took {:?}", begun.elapsed());
    ensure!(played_since.elapsed() < MATCH_LENGTH, "matches may have ended by themselves");
    let after = games(&region).await?;
    ensure!(after.iter().all(|it| it["release"] == "r2"), "{after:?}");
    all_play(&region).await?;

    let report = bots.stop().await?;
    println!("{}", report.0);
    for (what, wanted) in [
        ("dropped_sessions", 0),
        ("protocol_errors", 0),
        ("connections_lost", 0),
        ("matches_lost", 0),
        ("inputs_lost", 0),
        ("matches_finished", 0),
        ("sessions", u64::from(PLAYERS)),
    ] {
        assert_eq!(report.count(what)?, wanted, "{what}: {}", report.0);
    }
    region.close().await
}
