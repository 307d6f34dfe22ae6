//! `arenactl top` on a region where a match runs: for machines, and on a terminal.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use arena_tests::{Bots, Terminal, TestRegion, wait_for};
use serde_json::Value;

/// Matches outlast the test.
const SETTINGS: &[&str] =
    &["services.gateway.ports.public=0", "rules.match.time_limit_ticks=36000"];
const MATCH_LIMIT: Duration = Duration::from_mins(1);
const COLUMNS: usize = 150;
/// The other screen of a terminal, and back.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";

async fn top(region: &TestRegion) -> anyhow::Result<Value> {
    region.run(&["top", "--once", "--output", "json"]).await?.expect_code(0)?.json()
}

fn game(seen: &Value) -> Option<&Value> {
    seen["instances"].as_array()?.iter().find(|it| it["instance"] == "game-r1-0")
}

fn open(region: &TestRegion) -> anyhow::Result<Terminal> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Terminal::open(&root, region.state_home(), COLUMNS, &["top", "--region", "local"])
}

/// The screen is as it was: after the last look at the other one, and with a cursor.
fn restored(terminal: &Terminal) {
    let shown = terminal.shown();
    let (entered, left) = (shown.rfind(ENTER), shown.rfind(LEAVE));
    assert!(entered.is_some() && left > entered, "{shown:?}");
    assert!(shown.rfind(SHOW_CURSOR) > entered, "{shown:?}");
}

#[tokio::test]
async fn top_shows_an_instance_and_its_match_and_leaves_the_terminal_as_it_was()
-> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let bots = Bots::start(&region.url().await?, 4, 7)?;
    // The report of an instance follows its matches a tenth of a second later, and a busy one may miss a look.
    let found = wait_for("a match and its figures", MATCH_LIMIT, async || {
        let seen = top(&region).await?;
        let is_whole = |game: &&Value| {
            let has_ticks = game["tick_p99_us"].as_u64() > Some(0);
            game["standing"] == "occupied" && game["silent_ms"].is_null() && has_ticks
        };
        let game = game(&seen).filter(is_whole).cloned();
        Ok(game.and(seen["matches"].get(0).cloned()).map(|found| (seen, found)))
    });
    let (seen, found) = found.await?;
    assert_eq!((&found["owner"], &found["epoch"]), (&"game-r1-0".into(), &1.into()), "{found}");
    assert_eq!(seen["releases"][0]["release"], "r1", "{seen}");

    let id = found["match"].as_str().context("an id")?;
    let mut terminal = open(&region)?;
    terminal.until("game-r1-0").await?;
    terminal.until(id).await?;
    terminal.press("?").await?;
    terminal.until("shift-tab").await?; // One word: blanks on a blank screen are not sent.
    terminal.press("qq").await?; // The first one closes the help.
    assert_eq!(terminal.end().await?, 0, "{}", terminal.shown());
    restored(&terminal);

    for is_signal in [true, false] {
        let mut terminal = open(&region)?;
        terminal.until("game-r1-0").await?;
        if is_signal {
            terminal.terminate()?;
        } else {
            terminal.press_ctrl_c().await?;
        }
        assert_eq!(terminal.end().await?, 130, "{}", terminal.shown());
        restored(&terminal);
    }
    bots.stop().await?;
    region.run(&["down", "--yes", "--now"]).await?.expect_code(0)?;
    Ok(())
}
