//! A region that hosts another game than the arena: same services, same command, another name.

use std::time::Duration;

use arena_tests::{Bots, Browser, TestRegion, wait_for};

const SNAKES: &[&str] =
    &["services.gateway.ports.public=0", "game=snakes", "rules.time_limit_ticks=900"];
/// Long enough for a match of 15 s, and a queue before it, on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);
const PLAYERS: u32 = 6;

#[tokio::test]
async fn players_of_another_game_play_to_the_end_and_their_results_are_recorded()
-> anyhow::Result<()> {
    let region = TestRegion::new(SNAKES).await?;
    let unknown = region.deploy(&["--set", "game=chess"]).await?.expect_code(4)?;
    assert!(unknown.stderr.contains("no game `chess`: it has arena, snakes"), "{unknown:?}");
    region.deploy(&[]).await?.expect_code(0)?;
    let url = region.url().await?;
    let rules = region.run(&["rules", "show"]).await?.expect_code(0)?.json()?;
    assert_eq!((&rules["time_limit_ticks"], &rules["food"]), (&900.into(), &4.into()));

    let bots = Bots::start(&url, PLAYERS, 11)?;
    let browser = Browser::start()?;
    let mut page = browser.open(&url).await?;
    page.wait("window.arena && arena.state === 'lobby'", LIMIT).await?;
    page.evaluate("document.getElementById('play').click()").await?;
    page.wait("arena.state === 'playing' && arena.tick > 120", LIMIT).await?;
    assert_eq!(page.evaluate("arena.game").await?, "snakes");
    page.wait("arena.inputsAcknowledged > 30", LIMIT).await?;
    super::browser::save_screenshot(&mut page, "snakes.png").await?;
    page.wait("arena.state === 'result'", LIMIT).await?;
    assert_eq!(page.evaluate("arena.errors.length").await?, 0);
    assert_eq!(page.exceptions(), <&[String]>::default());

    // Who played with bots alone has no rating: at least two of the others met.
    wait_for("ratings of players who met", LIMIT, || async {
        Ok((region.ranked().await? >= 2).then_some(()))
    })
    .await?;
    let report = bots.stop().await?;
    assert!(report.count("matches_finished")? >= u64::from(PLAYERS), "{report:?}");
    assert_eq!(report.count("protocol_errors")?, 0, "{report:?}");
    assert_eq!(report.count("dropped_sessions")?, 0, "{report:?}");
    region.close().await
}
