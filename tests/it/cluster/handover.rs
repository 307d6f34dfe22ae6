//! Sessions change their gateway while they play, and lose nothing.

use std::time::Duration;

use anyhow::ensure;
use arena_tests::{Bots, Browser, TestRegion};
use serde_json::Value;

/// One match lasts longer than the test.
const SETTINGS: &[&str] = &[
    "services.gateway.ports.public=0",
    "rules.match.time_limit_ticks=36000",
    "rules.match.frag_limit=0",
];
const PLAYERS: u64 = 32;
/// The page plays within this time, on a machine that is busy.
const PLAYING_LIMIT: Duration = Duration::from_mins(1);

/// Puts other gateways in the place of those there are; nothing else changes.
async fn deploy_gateways(region: &TestRegion, release: &str) -> anyhow::Result<()> {
    let change = format!("services.gateway.env.ARENA_TEST={release}");
    region.deploy(&["--set", &change]).await?.expect_code(0)?;
    let gateways = region.live("gateway").await?;
    let is_new = |it: &Value| it["release"] == release;
    ensure!(gateways.iter().all(is_new), "{gateways:?}");
    Ok(())
}

#[tokio::test]
async fn a_new_gateway_costs_no_input_and_no_connection() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let bots = Bots::start(&region.url().await?, u32::try_from(PLAYERS)?, 17)?;
    region.all_play(PLAYERS).await?;
    for release in ["r2", "r3"] {
        deploy_gateways(&region, release).await?;
    }
    let report = bots.stop().await?;
    println!("{}", report.0);
    report.expect_unnoticed(&[("sessions", PLAYERS), ("moves", 2 * PLAYERS)])?;
    region.close().await
}

#[tokio::test]
async fn a_page_plays_on_over_another_gateway() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let browser = Browser::start()?;
    let mut page = browser.open(&region.url().await?).await?;
    page.wait("window.arena && arena.state === 'lobby'", PLAYING_LIMIT).await?;
    page.evaluate("document.getElementById('play').click()").await?;
    page.wait("arena.state === 'playing' && arena.inputsAcknowledged > 60", PLAYING_LIMIT).await?;
    let (id, session) =
        (page.evaluate("arena.match").await?, page.evaluate("arena.session").await?);

    deploy_gateways(&region, "r2").await?;
    page.wait("arena.gateway.release === 'r2' && arena.counts.moves === 1", PLAYING_LIMIT).await?;
    let counted = page.evaluate("arena.inputsAcknowledged").await?.as_u64().unwrap_or_default();
    assert!(counted < 36_000, "sequences went on, they did not jump: {counted}");
    page.wait(&format!("arena.inputsAcknowledged > {counted} + 60"), PLAYING_LIMIT).await?;
    println!("frames over two gateways: {}", page.evaluate("arena.frames").await?);
    assert_eq!(page.evaluate("arena.state").await?, "playing");
    assert_eq!(page.evaluate("arena.match").await?, id);
    assert_eq!(page.evaluate("arena.session").await?, session);
    assert_eq!(page.evaluate("arena.counts.drops").await?, 0);
    assert_eq!(page.evaluate("arena.pending_inputs < 60").await?, true);
    assert_eq!(page.exceptions(), <&[String]>::default());
    region.close().await
}
