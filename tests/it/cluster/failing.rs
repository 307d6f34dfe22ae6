//! A release that does not work, and a second deploy at the same time.

use std::time::Duration;

use arena_tests::{TestRegion, wait_for};
use serde_json::Value;

use super::SETTINGS;

#[tokio::test]
async fn a_release_whose_game_never_becomes_ready_is_taken_back() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;

    let bad = ["--set", "services.game.env.ARENA_GAME_THREADS=none"];
    let failed = region.deploy(&bad).await?.expect_code(10)?;
    for part in ["game-r2-0", "ARENA_GAME_THREADS", "arenactl"] {
        assert!(failed.stderr.contains(part), "the card names {part}:\n{}", failed.stderr);
    }
    let games = region.instances("game").await?;
    let ready: Vec<&Value> = games.iter().filter(|it| it["state"] == "ready").collect();
    assert!(!ready.is_empty() && ready.iter().all(|it| it["release"] == "r1"), "{games:?}");
    region.close().await
}

#[tokio::test]
async fn a_second_deploy_is_told_who_holds_the_lock() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    let mut first = region.deploy_in_background(&[])?;
    wait_for("the first deploy's lock", Duration::from_mins(1), || async {
        Ok((!region.status().await?["lock"].is_null()).then_some(()))
    })
    .await?;
    let second = region.deploy(&[]).await?.expect_code(5)?;
    assert!(second.stderr.contains("lock"), "{}", second.stderr);
    assert!(first.wait().await?.success());
    region.close().await
}
