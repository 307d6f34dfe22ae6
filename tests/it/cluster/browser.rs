//! A person in a real browser: logs in, queues, plays against bots, sees a deploy happen, plays on.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use arena_tests::{Browser, Files, KeyDirection, Page, TestRegion};

use super::SETTINGS;

/// A match starts within this time of queueing: bots fill the seats after two seconds.
const MATCH_LIMIT: Duration = Duration::from_mins(1);
/// Length of the test's matches and of a result screen, with room.
const END_LIMIT: Duration = Duration::from_mins(2);

async fn queue(page: &mut Page) -> anyhow::Result<()> {
    page.wait("window.arena && arena.state === 'lobby'", MATCH_LIMIT).await?;
    page.evaluate("document.getElementById('name').value = 'Ada'").await?;
    page.evaluate("document.getElementById('play').click()").await?;
    page.wait("arena.state === 'playing' && arena.tick > 0", MATCH_LIMIT).await?;
    Ok(())
}

#[tokio::test]
async fn a_person_plays_through_a_deploy_and_in_the_next_match_on_the_new_release()
-> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let browser = Browser::start()?;
    let mut page = browser.open(&region.url().await?).await?;
    queue(&mut page).await?;
    assert_eq!(page.evaluate("arena.release").await?, "r1");
    let first_match = page.evaluate("arena.match").await?;

    // The player moves: what the server says of the position follows the keys.
    let before = page.evaluate("arena.inputsAcknowledged").await?.as_u64().unwrap_or_default();
    page.key("KeyD", KeyDirection::Down).await?;
    page.mouse("mousePressed", 900.0, 400.0).await?;
    page.wait(&format!("arena.inputsAcknowledged > {before} + 30"), MATCH_LIMIT).await?;
    save_screenshot(&mut page, "match.png").await?;

    // A deploy happens; the match goes on where it is.
    let tick = page.evaluate("arena.tick").await?.as_u64().unwrap_or_default();
    let mut deploy =
        region.deploy_in_background(&["--set", "services.game.env.ARENA_TEST=browser"])?;
    page.wait(&format!("arena.tick > {tick} + 120 || arena.state !== 'playing'"), END_LIMIT)
        .await?;
    page.mouse("mouseReleased", 900.0, 400.0).await?;
    page.key("KeyD", KeyDirection::Up).await?;
    page.wait("arena.state === 'result'", END_LIMIT).await?;
    assert_eq!(page.evaluate("arena.match").await?, first_match, "it was one match to its end");
    assert_eq!(page.evaluate("arena.reconnects").await?, 0, "the session was never lost");
    assert!(deploy.wait().await?.success(), "the deploy ends well");

    // The next match is on the new release.
    page.evaluate("document.getElementById('again').click()").await?;
    page.wait("arena.state === 'playing' && arena.tick > 0", MATCH_LIMIT).await?;
    assert_eq!(page.evaluate("arena.release").await?, "r2");
    assert_ne!(page.evaluate("arena.match").await?, first_match);
    println!("frame gaps: {}", page.evaluate("arena.frameGaps").await?);
    assert_eq!(page.exceptions(), <&[String]>::default());
    region.close().await
}

/// What `selftest.js` is loaded by: codec, frames and movement against the vectors of `tests/vectors`.
const SELFTEST: &str = r#"<!doctype html><title>self-test</title><script type="module">
import { selftest } from "/selftest.js";
const get = (path) => fetch(path).then((it) => it.json());
window.report = selftest(await get("/play.json"), await get("/movement.json"));
</script>"#;

#[tokio::test]
async fn the_page_reads_and_writes_the_protocol_as_the_server_does() -> anyhow::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::from([("/".to_owned(), SELFTEST.as_bytes().to_vec())]);
    for folder in [here.join("../services/gateway/page"), here.join("vectors")] {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.extension().is_some_and(|it| it == "js" || it == "json") {
                files.insert(format!("/{name}"), std::fs::read(path)?);
            }
        }
    }
    let files = Files::serve(files).await?;
    let browser = Browser::start()?;
    let mut page = browser.open(&files.url("/")).await?;
    let report = page.wait("window.report", MATCH_LIMIT).await?;
    assert_eq!(report["failures"], serde_json::json!([]), "{report}");
    assert!(report["passed"].as_u64() >= Some(50), "{report}");
    Ok(())
}

/// Leaves pictures where a person finds them: `target/screenshots/`.
async fn save_screenshot(page: &mut Page, name: &str) -> anyhow::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), page.screenshot().await?)?;
    Ok(())
}
