//! A game instance dies, or stands still until it is thought dead, and its matches go on.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use arena_tests::{Bots, BotsReport, TestRegion, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Two game instances, and matches far longer than the test: what ends early was lost.
const SETTINGS: &[&str] = &[
    "services.gateway.ports.public=0",
    "services.game.instances=2",
    "rules.match.time_limit_ticks=36000",
    "rules.match.frag_limit=0",
];
const PLAYERS: u32 = 16;
/// Anything here is over in this time, on a machine that also compiles.
const LIMIT: Duration = Duration::from_mins(1);
/// An instance stands still for this long: its lease ends after two seconds.
const STANDSTILL: Duration = Duration::from_secs(5);
/// Bots play so long after a match went on: what is wrong then shows in their frames.
const AFTERWARDS: Duration = Duration::from_secs(4);

async fn games(region: &TestRegion) -> anyhow::Result<Vec<Value>> {
    let games = region.instances("game").await?;
    Ok(games.into_iter().filter(|it| it["state"] != "stopped").collect())
}

fn count(instance: &Value, what: &str) -> u64 {
    instance[what].as_u64().unwrap_or_default()
}

fn name(instance: &Value) -> &str {
    instance["instance"].as_str().unwrap_or_default()
}

fn pid(instance: &Value) -> anyhow::Result<Pid> {
    let pid = instance["pid"].as_i64().context("the game's pid")?;
    Pid::from_raw(i32::try_from(pid)?).context("a pid is not 0")
}

async fn all_play(region: &TestRegion) -> anyhow::Result<()> {
    wait_for("all bots in a match", LIMIT, || async {
        let sessions: u64 = games(region).await?.iter().map(|it| count(it, "sessions")).sum();
        Ok((sessions >= u64::from(PLAYERS)).then_some(()))
    })
    .await
}

/// Waits until a whole stretch of play is over; nothing is looked for.
async fn plays_on() {
    tokio::time::sleep(AFTERWARDS).await;
}

async fn busiest(region: &TestRegion) -> anyhow::Result<Value> {
    let busiest = games(region).await?.into_iter().max_by_key(|it| count(it, "matches"));
    let busiest = busiest.context("a game instance")?;
    ensure!(count(&busiest, "matches") > 0, "{busiest}");
    Ok(busiest)
}

/// Waits until another instance has gone on with all matches of one that is thought dead.
async fn taken_over(region: &TestRegion, dead: &Value, all: u64) -> anyhow::Result<()> {
    wait_for("the matches at another instance", LIMIT, || async {
        let others = games(region).await?.into_iter().filter(|it| name(it) != name(dead));
        Ok((others.map(|it| count(&it, "matches")).sum::<u64>() >= all).then_some(()))
    })
    .await
}

fn nobody_noticed(report: &BotsReport) -> anyhow::Result<()> {
    for (what, wanted) in [
        ("dropped_sessions", 0),
        ("protocol_errors", 0),
        ("connections_lost", 0),
        ("matches_lost", 0),
        ("inputs_lost", 0),
        ("matches_finished", 0),
        ("sessions", u64::from(PLAYERS)),
    ] {
        ensure!(report.count(what)? == wanted, "{what} is not {wanted}: {}", report.0);
    }
    Ok(())
}

#[tokio::test]
async fn the_matches_of_a_killed_instance_go_on_within_seconds() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let bots = Bots::start(&region.url().await?, PLAYERS, 21)?;
    all_play(&region).await?;
    plays_on().await;

    let all: u64 = games(&region).await?.iter().map(|it| count(it, "matches")).sum();
    let dead = busiest(&region).await?;
    let begun = Instant::now();
    kill_process(pid(&dead)?, Signal::KILL)?;
    taken_over(&region, &dead, all).await?;
    println!("{} matches of {} in {:?}", count(&dead, "matches"), name(&dead), begun.elapsed());
    all_play(&region).await?;
    plays_on().await;

    let report = bots.stop().await?;
    println!("pause {} ms: {}", report.count("longest_gap_ms")?, report.0);
    nobody_noticed(&report)?;
    region.close().await
}

#[tokio::test]
async fn an_instance_that_stood_still_gives_up_what_was_taken_over() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let bots = Bots::start(&region.url().await?, PLAYERS, 22)?;
    all_play(&region).await?;
    plays_on().await;

    let all: u64 = games(&region).await?.iter().map(|it| count(it, "matches")).sum();
    let still = busiest(&region).await?;
    kill_process(pid(&still)?, Signal::STOP)?;
    let stopped = Instant::now();
    let taken = taken_over(&region, &still, all).await;
    tokio::time::sleep(STANDSTILL.saturating_sub(stopped.elapsed())).await;
    kill_process(pid(&still)?, Signal::CONT)?;
    taken?;
    wait_for("it to be there again, with nothing of what it had", LIMIT, || async {
        let all = games(&region).await?;
        let again = all.into_iter().find(|it| name(it) == name(&still));
        Ok(again.filter(|it| it["state"] == "ready" && count(it, "matches") == 0).map(|_| ()))
    })
    .await?;
    plays_on().await;
    let log = region.run(&["logs", "game", "-n", "400"]).await?.expect_code(0)?.stdout;
    ensure!(log.contains("a match was taken over meanwhile"), "{log}");
    let report = bots.stop().await?;
    println!("{}", report.0);
    nobody_noticed(&report)?;
    region.close().await
}
