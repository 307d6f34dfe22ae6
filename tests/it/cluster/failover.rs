//! A game instance dies, or stands still until it is thought dead, and its matches go on.

use std::time::{Duration, Instant};

use anyhow::ensure;
use arena_tests::long::{SETTINGS, busiest, matches, name, pid, taken_over};
use arena_tests::{Bots, BotsReport, TestRegion, wait_for};
use rustix::process::{Signal, kill_process};

pub(super) const PLAYERS: u64 = 16;
/// Anything here is over in this time, on a machine that also compiles.
pub(super) const LIMIT: Duration = Duration::from_mins(1);
/// An instance stands still for this long: its lease ends after two seconds.
const STANDSTILL: Duration = Duration::from_secs(5);
/// Bots play so long after a match went on: what is wrong then shows in their frames.
const AFTERWARDS: Duration = Duration::from_secs(4);

/// Waits until a whole stretch of play is over; nothing is looked for.
pub(super) async fn plays_on() {
    tokio::time::sleep(AFTERWARDS).await;
}

/// Returns how many matches there are.
pub(super) async fn all_matches(region: &TestRegion) -> anyhow::Result<u64> {
    Ok(region.live("game").await?.iter().map(matches).sum())
}

pub(super) fn nobody_noticed(report: &BotsReport) -> anyhow::Result<()> {
    report.expect_unnoticed(&[("matches_finished", 0), ("sessions", PLAYERS)])
}

#[tokio::test]
async fn the_matches_of_a_killed_instance_go_on_within_seconds() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let bots = Bots::start(&region.url().await?, u32::try_from(PLAYERS)?, 21)?;
    region.all_play(PLAYERS).await?;
    plays_on().await;

    let all = all_matches(&region).await?;
    let dead = busiest(&region).await?;
    let begun = Instant::now();
    kill_process(pid(&dead)?, Signal::KILL)?;
    taken_over(&region, &dead, all).await?;
    println!("{} matches of {} in {:?}", matches(&dead), name(&dead), begun.elapsed());
    region.all_play(PLAYERS).await?;
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
    let bots = Bots::start(&region.url().await?, u32::try_from(PLAYERS)?, 22)?;
    region.all_play(PLAYERS).await?;
    plays_on().await;

    let all = all_matches(&region).await?;
    let still = busiest(&region).await?;
    kill_process(pid(&still)?, Signal::STOP)?;
    let stopped = Instant::now();
    let taken = taken_over(&region, &still, all).await;
    tokio::time::sleep(STANDSTILL.saturating_sub(stopped.elapsed())).await;
    kill_process(pid(&still)?, Signal::CONT)?;
    taken?;
    wait_for("it to be there again, with nothing of what it had", LIMIT, || async {
        let all = region.live("game").await?;
        let again = all.into_iter().find(|it| name(it) == name(&still));
        Ok(again.filter(|it| it["state"] == "ready" && matches(it) == 0).map(|_| ()))
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
