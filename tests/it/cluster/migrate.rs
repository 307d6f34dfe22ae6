//! `arenactl migrate`: one match to another instance, and back, and what is refused.

use std::time::Duration;

use anyhow::Context as _;
use arena_tests::{Bots, Ran, TestRegion, wait_for};
use serde_json::Value;

/// Two game instances, and matches that outlast the test.
const SETTINGS: &[&str] = &[
    "services.gateway.ports.public=0",
    "services.game.instances=2",
    "rules.match.time_limit_ticks=36000",
    "rules.match.frag_limit=0",
];
const MATCH_LIMIT: Duration = Duration::from_mins(1);

/// Returns a match that is played, its owner and its epoch: one that waits for its players does not move. A look may
/// miss what an instance tells too late, so that nothing follows from finding none.
async fn played(region: &TestRegion) -> anyhow::Result<Option<(String, String, u64)>> {
    let top = region.run(&["top", "--output", "json"]).await?.expect_code(0)?.json()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let matches = top["matches"].as_array().context("matches")?;
    let found = matches.iter().find(|it| it["tick"].as_u64() > Some(0));
    Ok(found.and_then(|it| Some((text(&it["match"])?, text(&it["owner"])?, it["epoch"].as_u64()?))))
}

async fn migrate(region: &TestRegion, id: &str, to: &str) -> anyhow::Result<Ran> {
    region.run(&["migrate", id, "--to", to, "--timeout", "2m", "--output", "jsonl"]).await
}

/// The result of a command, the last line it printed.
fn result(ran: &Ran) -> anyhow::Result<Value> {
    let last = ran.stdout.lines().last().context("a line")?;
    Ok(serde_json::from_str::<Value>(last)?["result"].clone())
}

#[tokio::test]
async fn a_match_is_moved_once_whoever_asks_how_often_and_what_cannot_be_is_refused()
-> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let bots = Bots::start(&region.url().await?, 4, 7)?;
    let found = wait_for("a match", MATCH_LIMIT, async || played(&region).await).await?;
    let (id, owner, epoch) = found;
    let to = if owner == "game-r1-0" { "game-r1-1" } else { "game-r1-0" };

    // Two operators at once: it moves once, and the other one hears that it is on its way or there.
    let (one, other) = tokio::join!(migrate(&region, &id, to), migrate(&region, &id, to));
    let (one, other) = (one?, other?);
    let mut codes = [one.code, other.code];
    codes.sort_unstable();
    assert!([[0, 0], [0, 6]].contains(&codes), "{one:?}\n{other:?}");
    let moved = [&one, &other].into_iter().find(|it| it.stdout.contains("\"phase\":\"cut\""));
    let moved = moved.context("one of them tells the phases")?;
    let told = result(moved)?;
    let phases: Vec<&str> = told["phases"]
        .as_array()
        .context("phases")?
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    assert_eq!(phases, ["reserve", "warm", "prove", "cut", "let-go"], "{told:#}");
    assert_eq!(told["report"]["epoch"], epoch + 1, "{told:#}");
    assert!(told["report"]["payload_bytes"].as_u64() > Some(1_000), "{told:#}");
    let is_there = async || {
        Ok(played(&region).await?.filter(|it| *it == (id.clone(), to.to_owned(), epoch + 1)))
    };
    wait_for("`top` to show it there", MATCH_LIMIT, is_there).await?;

    let again = migrate(&region, &id, to).await?.expect_code(0)?;
    assert_eq!(result(&again)?["epoch"], epoch + 1, "{again:?}");
    for (id, to, code, what) in [
        ("0000000000001", to, 3, "there is no match 0000000000001"),
        (&*id, "game-r9-9", 3, "there is no instance game-r9-9"),
        (&*id, "auth-r1-0", 4, "auth-r1-0"),
    ] {
        let refused = migrate(&region, id, to).await?.expect_code(code)?;
        assert!(refused.stderr.contains(what), "{refused:?}");
    }
    let still = migrate(&region, &id, to).await?.expect_code(0)?;
    assert_eq!(result(&still)?["epoch"], epoch + 1, "what was refused moved nothing: {still:?}");

    let report = bots.stop().await?;
    for what in ["dropped_sessions", "protocol_errors", "matches_lost"] {
        assert_eq!(report.count(what)?, 0, "{what}: {}", report.0);
    }
    region.run(&["down", "--yes", "--now"]).await?.expect_code(0)?;
    Ok(())
}
