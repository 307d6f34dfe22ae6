//! A person in a real browser: logs in, queues, plays against bots; the match moves to a new release, plays on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
async fn a_persons_match_moves_to_the_new_release_while_it_is_played() -> anyhow::Result<()> {
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

    // A deploy happens: the match moves to the new release, and the player goes on without a pause.
    let fired = fired(&mut page).await?;
    let mut deploy =
        region.deploy_in_background(&["--set", "services.game.env.ARENA_TEST=browser"])?;
    page.wait("arena.release === 'r2' && arena.moves === 1", END_LIMIT).await?;
    assert_eq!(page.evaluate("arena.match").await?, first_match, "it is the same match");
    let strip = "document.getElementById('strip').textContent";
    page.wait(&format!("/release\\s*r2/.test({strip}) && /moves\\s*1/.test({strip})"), MATCH_LIMIT)
        .await?;
    save_screenshot(&mut page, "moved.png").await?;
    let counted = page.evaluate("arena.inputsAcknowledged").await?.as_u64().unwrap_or_default();
    page.wait(&format!("arena.inputsAcknowledged > {counted} + 60"), MATCH_LIMIT).await?;
    page.wait(&format!("arena.score.fired > {fired} + 2"), MATCH_LIMIT).await?;
    page.mouse("mouseReleased", 900.0, 400.0).await?;
    page.key("KeyD", KeyDirection::Up).await?;
    println!("frames of the match that moved: {}", page.evaluate("arena.frames").await?);
    page.wait("arena.state === 'result'", END_LIMIT).await?;
    assert_eq!(page.evaluate("arena.match").await?, first_match, "it was one match to its end");
    assert_eq!(page.evaluate("arena.reconnects").await?, 0, "the session was never lost");
    assert!(deploy.wait().await?.success(), "the deploy ends well");

    // The match is watched again, at another place and pace, and its replays verify.
    watch_again(&mut page).await?;
    verify(&region, first_match.as_str().unwrap_or_default()).await?;

    // The next match begins on the new release.
    page.evaluate("document.getElementById('play').click()").await?;
    page.wait("arena.state === 'playing' && arena.tick > 0", MATCH_LIMIT).await?;
    assert_eq!(page.evaluate("arena.release").await?, "r2");
    assert_ne!(page.evaluate("arena.match").await?, first_match);
    println!("frame gaps: {}", page.evaluate("arena.frameGaps").await?);
    assert_eq!(page.exceptions(), <&[String]>::default());
    region.close().await
}

async fn watch_again(page: &mut Page) -> anyhow::Result<()> {
    page.evaluate("document.getElementById('replay').click()").await?;
    page.wait("arena.state === 'watching' && arena.playback?.tick > 60", MATCH_LIMIT).await?;
    assert_eq!(page.evaluate("arena.playback.live").await?, false);
    save_screenshot(page, "replay.png").await?;
    // It stands still first: it could end meanwhile on a slow machine.
    page.evaluate("document.getElementById('watch-play').click()").await?;
    page.wait("arena.playback?.pace === 0", MATCH_LIMIT).await?;
    let jump = "const seek = document.getElementById('watch-seek'); seek.value = 600; \
                seek.dispatchEvent(new Event('change'))";
    page.evaluate(jump).await?;
    page.wait("arena.playback?.tick >= 599 && arena.playback.pace === 0", MATCH_LIMIT).await?;
    page.evaluate("document.getElementById('watch-play').click()").await?;
    page.wait("arena.playback?.pace > 0 && arena.playback.tick > 620", MATCH_LIMIT).await?;
    page.evaluate("document.getElementById('watch-leave').click()").await?;
    page.wait("arena.state === 'lobby'", MATCH_LIMIT).await?;
    Ok(())
}

/// What the player has shot so far.
async fn fired(page: &mut Page) -> anyhow::Result<u64> {
    Ok(page.evaluate("arena.score.fired").await?.as_u64().unwrap_or_default())
}

/// Verifies the replays in the object store, one an owner of the match, as they are and with one byte changed.
async fn verify(region: &TestRegion, match_id: &str) -> anyhow::Result<()> {
    let replays = stored_replays(region.state_home(), match_id)?;
    assert_eq!(replays.len(), 2, "the match had two owners: {replays:?}");
    let (mut hashes, mut reached) = (0, 0);
    for replay in &replays {
        let path = replay.display().to_string();
        let ran = region.run(&["replay", "verify", &path, "--output", "json"]).await?;
        let result = ran.expect_code(0)?.json()?["result"].clone();
        assert_eq!(result["problems"], serde_json::json!([]), "{result}");
        assert_eq!(result["first_tick"].as_u64(), Some(reached), "each goes on where one ends");
        reached = result["last_tick"].as_u64().unwrap_or_default();
        hashes += result["hashes"].as_u64().unwrap_or_default();
    }
    assert!(hashes > 5, "{hashes} hashes");
    let mut bytes = std::fs::read(&replays[1])?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let changed = region.state_home().join("changed.rpl");
    std::fs::write(&changed, bytes)?;
    let path = changed.display().to_string();
    let ran =
        region.run(&["replay", "verify", &path, "--output", "json"]).await?.expect_code(14)?;
    let problem = ran.json()?["result"]["problems"][0].clone();
    assert!(problem["message"].is_string(), "{problem}");
    assert!(problem["tick"].is_u64() || problem["ticks"].is_array(), "{problem}");
    Ok(())
}

/// Looks for the replays of a match below a folder, by epoch: the store of a region on this machine is one.
fn stored_replays(folder: &Path, match_id: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.parent().is_some_and(|it| it.ends_with(format!("objects/replays/{match_id}"))) {
            found.push(path);
        } else if path.is_dir() {
            // What is removed meanwhile holds none.
            found.extend(stored_replays(&path, match_id).unwrap_or_default());
        }
    }
    found.sort();
    Ok(found)
}

/// What `selftest.js` is loaded by: codec, frames and movement against the vectors of `tests/vectors`.
const SELFTEST: &str = r#"<!doctype html><title>self-test</title><script type="module">
import { selftest } from "/selftest.js";
const get = (path) => fetch(path).then((it) => it.json());
window.report = selftest(await get("/play.json"), await get("/movement.json"), await get("/snakes.json"));
</script>"#;

#[tokio::test]
async fn the_page_reads_and_writes_the_protocol_as_the_server_does() -> anyhow::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::from([("/".to_owned(), SELFTEST.as_bytes().to_vec())]);
    let page = here.join("../services/gateway/page");
    let vectors = here.join("vectors");
    for (root, folder) in [(&page, &page), (&page, &page.join("games")), (&vectors, &vectors)] {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|it| it == "js" || it == "json") {
                let name = path.strip_prefix(root)?.display().to_string();
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
pub(super) async fn save_screenshot(page: &mut Page, name: &str) -> anyhow::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), page.screenshot().await?)?;
    Ok(())
}
