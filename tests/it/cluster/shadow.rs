//! Matches of which another instance keeps a warm copy: what a death costs them, and a copy that stands still.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use arena_tests::long::{SETTINGS, busiest, matches, name, pid, taken_over};
use arena_tests::{Bots, TestRegion, get, wait_for};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

use super::failover::{LIMIT, PLAYERS, all_matches, nobody_noticed, plays_on};

const SHADOWED: &str = "services.matchmaker.env.ARENA_MATCHMAKER_FAILOVER=arena=shadow";
/// What an owner says that goes on with a match, beside from what.
const WENT_ON: &str = "a match was played again up to where it is known";
/// The copies stand still for this long: far beyond what a tick waits.
const STANDSTILL: Duration = Duration::from_millis(900);

async fn region() -> anyhow::Result<TestRegion> {
    let settings: Vec<&str> = SETTINGS.iter().copied().chain([SHADOWED]).collect();
    TestRegion::new(&settings).await
}

fn shadows(instance: &Value) -> u64 {
    instance["shadows"].as_u64().unwrap_or_default()
}

/// Returns a figure of an instance, summed over its labels; 0 if it is not there.
async fn figure(instance: &Value, figure: &str) -> anyhow::Result<f64> {
    let side = instance["addresses"]["side"].as_str().context("a side port")?;
    let text = get(side, "/metrics").await?;
    let lines = text.lines().filter_map(|it| it.strip_prefix(figure));
    let values = lines.filter(|it| it.starts_with([' ', '{'])).filter_map(|it| {
        let (_, value) = it.rsplit_once(' ')?;
        value.parse::<f64>().ok()
    });
    Ok(values.sum())
}

/// Waits until every match has a copy that has all that is shown of it, at another instance than its own.
async fn covered(region: &TestRegion, all: u64) -> anyhow::Result<()> {
    wait_for("a warm copy of every match", LIMIT, || async {
        let games = region.live("game").await?;
        let mut covered = 0.0;
        for game in &games {
            covered += figure(game, "arena_game_shadow_matches").await?;
        }
        let kept: u64 = games.iter().map(shadows).sum();
        Ok((covered >= all as f64 && kept >= all).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_killed_instance_costs_shadowed_matches_neither_a_tick_nor_an_input() -> anyhow::Result<()>
{
    let region = region().await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let bots = Bots::start(&region.url().await?, u32::try_from(PLAYERS)?, 31)?;
    region.all_play(PLAYERS).await?;
    let all = all_matches(&region).await?;
    plays_on().await;
    covered(&region, all).await?;

    let dead = busiest(&region).await?;
    let begun = Instant::now();
    kill_process(pid(&dead)?, Signal::KILL)?;
    taken_over(&region, &dead, all).await?;
    println!("{} matches of {} in {:?}", matches(&dead), name(&dead), begun.elapsed());
    region.all_play(PLAYERS).await?;
    plays_on().await;
    // The instance starts again, and keeps copies of what went on elsewhere.
    covered(&region, all).await?;

    // Of what was shown nothing is missing: the copy had it before.
    let log = region.run(&["logs", "game", "-n", "400"]).await?.expect_code(0)?.stdout;
    let went_on: Vec<&str> = log.lines().filter(|it| it.contains(WENT_ON)).collect();
    let from_copies = went_on.iter().filter(|it| it.contains("warm copy")).count();
    ensure!(from_copies > 0 && from_copies == went_on.len(), "{went_on:#?}");
    let report = bots.stop().await?;
    println!("pause {} ms: {}", report.count("longest_gap_ms")?, report.0);
    nobody_noticed(&report)?;
    region.close().await
}

#[tokio::test]
async fn a_copy_that_stands_still_costs_a_tick_of_waiting_and_is_replaced() -> anyhow::Result<()> {
    let region = region().await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let bots = Bots::start(&region.url().await?, u32::try_from(PLAYERS)?, 32)?;
    region.all_play(PLAYERS).await?;
    let all = all_matches(&region).await?;
    plays_on().await;
    covered(&region, all).await?;

    let owner = busiest(&region).await?;
    let games = region.live("game").await?;
    let keeper = games.iter().find(|it| name(it) != name(&owner)).context("another game")?;
    let before = figure(&owner, "arena_game_shadow_ends_total").await?;
    kill_process(pid(keeper)?, Signal::STOP)?;
    tokio::time::sleep(STANDSTILL).await;
    let ends = figure(&owner, "arena_game_shadow_ends_total").await;
    kill_process(pid(keeper)?, Signal::CONT)?;
    ensure!(ends? > before, "the copies were given up");
    covered(&region, all).await?;
    plays_on().await;

    let report = bots.stop().await?;
    println!("{}", report.0);
    nobody_noticed(&report)?;
    region.close().await
}

#[tokio::test]
async fn a_match_moves_to_the_instance_of_its_copy_and_gets_another() -> anyhow::Result<()> {
    let region = region().await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let bots = Bots::start(&region.url().await?, u32::try_from(PLAYERS)?, 33)?;
    region.all_play(PLAYERS).await?;
    let all = all_matches(&region).await?;
    plays_on().await;
    covered(&region, all).await?;

    // There are two instances: the other one has the copies.
    let owner = busiest(&region).await?;
    region.run(&["drain", name(&owner)]).await?.expect_code(0)?;
    taken_over(&region, &owner, all).await?;
    region.run(&["drain", name(&owner), "--cancel"]).await?.expect_code(0)?;
    covered(&region, all).await?;
    plays_on().await;

    let report = bots.stop().await?;
    println!("{}", report.0);
    nobody_noticed(&report)?;
    region.close().await
}
