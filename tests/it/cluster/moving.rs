//! Matches change their owner while they are played, and no player notices.

use std::time::{Duration, Instant};

use anyhow::ensure;
use arena_tests::long::{SETTINGS, busiest, elsewhere, matches, name};
use arena_tests::{Bots, TestRegion};

const PLAYERS: u64 = 32;
/// No match ends by itself before: 36 000 ticks, 60 a second.
const MATCH_LENGTH: Duration = Duration::from_mins(10);

#[tokio::test]
async fn matches_move_off_a_drained_instance_and_to_a_new_release_while_they_are_played()
-> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let played_since = Instant::now();
    let bots = Bots::start(&region.url().await?, u32::try_from(PLAYERS)?, 11)?;
    region.all_play(PLAYERS).await?;

    let drained = busiest(&region).await?;
    let (name, begun) = (name(&drained), Instant::now());
    let ran = region.run(&["drain", name, "--deadline", "60s"]).await?.expect_code(0)?;
    println!("{}{}", ran.stdout, ran.stderr);
    println!("{} matches left {name} in {:?}", matches(&drained), begun.elapsed());
    let moved = elsewhere(&region, &drained).await?;
    ensure!(moved >= matches(&drained), "{moved} of {drained}");
    region.run(&["drain", name, "--cancel"]).await?.expect_code(0)?;

    let begun = Instant::now();
    region.deploy(&["--set", "services.game.env.ARENA_TEST=2"]).await?.expect_code(0)?;
    println!("a release under {PLAYERS} players took {:?}", begun.elapsed());
    ensure!(played_since.elapsed() < MATCH_LENGTH, "matches may have ended by themselves");
    let after = region.live("game").await?;
    ensure!(after.iter().all(|it| it["release"] == "r2"), "{after:?}");
    region.all_play(PLAYERS).await?;

    let report = bots.stop().await?;
    println!("{}", report.0);
    report.expect_unnoticed(&[("matches_finished", 0), ("sessions", PLAYERS)])?;
    region.close().await
}
