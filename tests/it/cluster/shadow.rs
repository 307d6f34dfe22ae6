//! Matches of which another instance keeps a warm copy: what a death costs them, and a copy that stands still.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use arena_tests::long::{SETTINGS, SHADOWED, busiest, covered, figure, name, pid, taken_over};
use arena_tests::wait_for;
use rustix::process::{Signal, kill_process};

use super::failover::{LIMIT, PLAYERS, Played, plays_on};

/// What an owner says that goes on with a match, beside from what.
const WENT_ON: &str = "a match was played again up to where it is known";
/// The copies stand still for this long: far beyond what a tick waits.
const STANDSTILL: Duration = Duration::from_millis(900);

/// Starts a region in which every match is played and has a warm copy.
async fn played(seed: u64) -> anyhow::Result<Played> {
    let settings: Vec<&str> = SETTINGS.iter().copied().chain([SHADOWED]).collect();
    let played = Played::start(&settings, seed).await?;
    covered(&played.region, played.all).await?;
    Ok(played)
}

#[tokio::test]
async fn a_killed_instance_costs_shadowed_matches_neither_a_tick_nor_an_input() -> anyhow::Result<()>
{
    let played = played(31).await?;
    played.kill_busiest().await?;
    // The instance starts again, and keeps copies of what went on elsewhere.
    covered(&played.region, played.all).await?;

    // Of what was shown nothing is missing: the copy had it before.
    let log = played.region.run(&["logs", "game", "-n", "400"]).await?.expect_code(0)?.stdout;
    let went_on: Vec<&str> = log.lines().filter(|it| it.contains(WENT_ON)).collect();
    let from_copies = went_on.iter().filter(|it| it.contains("warm copy")).count();
    ensure!(from_copies > 0 && from_copies == went_on.len(), "{went_on:#?}");
    let report = played.end().await?;
    ensure!(report.count("lost_ticks_of_moves")? == 0, "ticks that nobody was shown: {}", report.0);
    Ok(())
}

#[tokio::test]
async fn owner_and_copy_that_die_together_lose_the_match_and_no_session() -> anyhow::Result<()> {
    let played = played(34).await?;
    let games = played.region.live("game").await?;
    games.iter().try_for_each(|it| anyhow::Ok(kill_process(pid(it)?, Signal::KILL)?))?;
    // Whoever was in a match is told that it is gone, queues again, and plays.
    wait_for("the loss to be counted", LIMIT, || async {
        let mut lost = 0.0;
        for game in played.region.live("game").await? {
            lost +=
                figure(&game, "arena_game_takeovers_total{outcome=\"lost\"}").await.unwrap_or(0.0);
        }
        Ok((lost >= played.all as f64).then_some(()))
    })
    .await?;
    played.region.all_play(PLAYERS).await?;
    plays_on().await;
    let report = played.end_with_losses().await?;
    for (field, wanted) in
        [("matches_lost", PLAYERS), ("dropped_sessions", 0), ("connections_lost", 0)]
    {
        ensure!(report.count(field)? == wanted, "{field} is not {wanted}: {}", report.0);
    }
    Ok(())
}

#[tokio::test]
async fn a_copy_that_stands_still_costs_a_tick_of_waiting_and_is_replaced() -> anyhow::Result<()> {
    let played = played(32).await?;
    let owner = busiest(&played.region).await?;
    let games = played.region.live("game").await?;
    let keeper = games.iter().find(|it| name(it) != name(&owner)).context("another game")?;
    let before = figure(&owner, "arena_game_shadow_ends_total").await?;
    kill_process(pid(keeper)?, Signal::STOP)?;
    tokio::time::sleep(STANDSTILL).await;
    let ends = figure(&owner, "arena_game_shadow_ends_total").await;
    kill_process(pid(keeper)?, Signal::CONT)?;
    ensure!(ends? > before, "the copies were given up");
    covered(&played.region, played.all).await?;
    plays_on().await;
    played.end().await?;
    Ok(())
}

#[tokio::test]
async fn a_match_moves_to_the_instance_of_its_copy_and_gets_another() -> anyhow::Result<()> {
    let played = played(33).await?;
    let region = &played.region;
    // There are two instances: the other one has the copies.
    let owner = busiest(region).await?;
    region.run(&["drain", name(&owner)]).await?.expect_code(0)?;
    taken_over(region, &owner, played.all).await?;
    region.run(&["drain", name(&owner), "--cancel"]).await?.expect_code(0)?;
    covered(&played.region, played.all).await?;
    plays_on().await;
    played.end().await?;
    Ok(())
}
