//! A game instance dies, or stands still until it is thought dead, and its matches go on.

#![expect(
    clippy::print_stdout,
    reason = "what the players saw is read in the output of a failed test"
)]

use std::time::{Duration, Instant};

use anyhow::ensure;
use arena_tests::long::{SETTINGS, all_matches, busiest, matches, name, pid, taken_over};
use arena_tests::{Bots, BotsReport, TestRegion, wait_for};
use rustix::process::{Signal, kill_process};

pub(super) const PLAYERS: u64 = 16;
/// Anything here is over in this time, on a machine that also compiles.
pub(super) const LIMIT: Duration = Duration::from_mins(1);
/// An instance stands still for this long: its lease ends after two seconds.
const STANDSTILL: Duration = Duration::from_secs(5);
/// Bots play so long after a match went on: what is wrong then shows in their frames.
const AFTERWARDS: Duration = Duration::from_secs(4);

/// A region whose matches are played.
pub(super) struct Played {
    pub(super) region: TestRegion,
    /// Matches there are.
    pub(super) all: u64,
    bots: Bots,
}

impl Played {
    /// Starts a region, and bots that all play after it.
    pub(super) async fn start(settings: &[&str], seed: u64) -> anyhow::Result<Self> {
        let region = TestRegion::new(settings).await?;
        region.deploy(&[]).await?.expect_code(0)?;
        let bots = Bots::start(&region.url().await?, u32::try_from(PLAYERS)?, seed)?;
        region.all_play(PLAYERS).await?;
        plays_on().await;
        let all = all_matches(&region).await?;
        Ok(Self { region, all, bots })
    }

    /// Ends the play of a region that lost its matches; returns what the players saw.
    pub(super) async fn end_with_losses(self) -> anyhow::Result<BotsReport> {
        let report = self.bots.stop().await?;
        println!("{}", report.0);
        self.region.close().await?;
        Ok(report)
    }

    /// Kills the instance with the most matches, and waits until others have them and all play.
    pub(super) async fn kill_busiest(&self) -> anyhow::Result<()> {
        let dead = busiest(&self.region).await?;
        let begun = Instant::now();
        kill_process(pid(&dead)?, Signal::KILL)?;
        taken_over(&self.region, &dead, self.all).await?;
        println!("{} matches of {} in {:?}", matches(&dead), name(&dead), begun.elapsed());
        self.region.all_play(PLAYERS).await?;
        plays_on().await;
        Ok(())
    }

    /// Ends the play: nobody noticed anything.
    pub(super) async fn end(self) -> anyhow::Result<BotsReport> {
        let report = self.end_with_losses().await?;
        println!("pause {} ms", report.count("longest_gap_ms")?);
        report.expect_unnoticed(&[("matches_finished", 0), ("sessions", PLAYERS)])?;
        Ok(report)
    }
}

/// Waits until a whole stretch of play is over; nothing is looked for.
pub(super) async fn plays_on() {
    tokio::time::sleep(AFTERWARDS).await;
}

#[tokio::test]
async fn the_matches_of_a_killed_instance_go_on_within_seconds() -> anyhow::Result<()> {
    let played = Played::start(SETTINGS, 21).await?;
    played.kill_busiest().await?;
    played.end().await?;
    Ok(())
}

#[tokio::test]
async fn an_instance_that_stood_still_gives_up_what_was_taken_over() -> anyhow::Result<()> {
    let played = Played::start(SETTINGS, 22).await?;
    let region = &played.region;
    let still = busiest(region).await?;
    kill_process(pid(&still)?, Signal::STOP)?;
    let stopped = Instant::now();
    let taken = taken_over(region, &still, played.all).await;
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
    played.end().await?;
    Ok(())
}
