//! Friends play together, whatever happens to the matchmaker while they wait.

use std::time::Duration;

use anyhow::Context as _;
use arena_tests::{Browser, Page, Player, TestRegion};
use arena_wire::play::{ClientMessage, MatchStart, Party, QueueUpdate, ServerMessage};
use rustix::process::{Pid, Signal, kill_process};

use super::SETTINGS;

/// They wait for others as long as it takes to kill a matchmaker.
const FILL_AFTER: &str = "services.matchmaker.env.ARENA_MATCHMAKER_FILL_AFTER_MS=8000";
const PAGE_LIMIT: Duration = Duration::from_mins(1);

async fn party(player: &mut Player, is: impl Fn(&Party) -> bool) -> anyhow::Result<Party> {
    player
        .hear("the party", |it| match it {
            ServerMessage::Party(Some(party)) if is(&party) => Some(party),
            _ => None,
        })
        .await
}

/// Waits for the start; returns it with how long the queue said it waited, which never falls.
async fn start(player: &mut Player) -> anyhow::Result<(MatchStart, u32)> {
    let (mut waited, mut fell) = (0, None);
    let start = player
        .hear("a match", |it| match it {
            ServerMessage::Queue(QueueUpdate::Waiting { waited_ms, .. }) => {
                fell = fell.or((waited_ms < waited).then_some((waited, waited_ms)));
                waited = waited_ms;
                None
            }
            ServerMessage::Start(start) => Some(start),
            _ => None,
        })
        .await?;
    assert_eq!(fell, None, "the ticket lost its age");
    Ok((start, waited))
}

/// Kills the matchmaker as a crash would; its supervisor starts it again.
async fn kill_matchmaker(region: &TestRegion) -> anyhow::Result<()> {
    let matchmakers = region.instances("matchmaker").await?;
    let ready = matchmakers.iter().find(|it| it["state"] == "ready").context("a matchmaker")?;
    let pid = ready["pid"].as_i64().with_context(|| format!("`pid` in {ready}"))?;
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process id")?;
    Ok(kill_process(pid, Signal::KILL)?)
}

#[tokio::test]
async fn a_party_plays_one_match_though_the_matchmaker_is_killed_while_it_waits()
-> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&["--set", FILL_AFTER]).await?.expect_code(0)?;
    let url = region.url().await?;
    let (mut ann, mut bob) = (Player::join(&url, "Ann").await?, Player::join(&url, "Bob").await?);
    let mode = "arena".to_owned();
    ann.say(&ClientMessage::PartyCreate { mode: mode.clone() }).await?;
    let made = party(&mut ann, |it| it.members.len() == 1).await?;
    assert_eq!(made.leader, ann.id);
    bob.say(&ClientMessage::PartyJoin { code: made.code }).await?;
    for player in [&mut ann, &mut bob] {
        party(player, |it| it.members.len() == 2).await?;
    }

    ann.say(&ClientMessage::Queue { mode, rtts: Vec::new() }).await?;
    for player in [&mut ann, &mut bob] {
        party(player, |it| it.queued).await?;
    }
    kill_matchmaker(&region).await?;
    let (first, second) = tokio::join!(start(&mut ann), start(&mut bob));
    let ((first, waited_ms), (second, _)) = (first?, second?);
    assert_eq!(first.match_id, second.match_id, "one match for the party");
    assert_ne!(first.seat, second.seat);
    assert!(waited_ms >= 6_000, "the age of the ticket went on: {waited_ms} ms");
    let people = |start: &MatchStart| {
        let mut names: Vec<_> =
            start.seats.iter().filter(|it| !it.bot).map(|it| it.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!((people(&first), people(&second)), (pair(), pair()));
    region.close().await
}

fn pair() -> Vec<String> {
    ["Ann", "Bob"].map(str::to_owned).to_vec()
}

async fn lobby(browser: &Browser, url: &str, name: &str) -> anyhow::Result<Page> {
    let mut page = browser.open(url).await?;
    page.wait("window.arena && arena.state === 'lobby'", PAGE_LIMIT).await?;
    page.evaluate(&format!("document.getElementById('name').value = '{name}'")).await?;
    Ok(page)
}

/// Two browsers, since two tabs of one are one device and so one player.
#[tokio::test]
async fn two_pages_make_a_party_and_meet_in_one_match() -> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let url = region.url().await?;
    let browsers = (Browser::start()?, Browser::start()?);
    let mut ann = lobby(&browsers.0, &url, "Ann").await?;
    let mut bob = lobby(&browsers.1, &url, "Bob").await?;
    ann.evaluate("document.getElementById('party-create').click()").await?;
    let own = "document.getElementById('party-own-code').textContent";
    let shown = format!("/^[0-9A-Z]{{6}}$/.test({own}) ? {own} : ''");
    let code = ann.wait(&shown, PAGE_LIMIT).await?;
    bob.evaluate(&format!("document.getElementById('party-code').value = {code}")).await?;
    bob.evaluate("document.getElementById('party-join').requestSubmit()").await?;
    let members = "document.querySelectorAll('#party-members li').length === 2";
    for page in [&mut ann, &mut bob] {
        page.wait(members, PAGE_LIMIT).await?;
    }
    assert_eq!(bob.evaluate("document.getElementById('play').disabled").await?, true);
    ann.evaluate("document.getElementById('play').click()").await?;
    let mut matches = Vec::new();
    for page in [&mut ann, &mut bob] {
        page.wait("arena.state === 'playing' && arena.tick > 0", PAGE_LIMIT).await?;
        matches.push(page.evaluate("arena.match").await?);
    }
    assert_eq!(matches[0], matches[1]);
    for page in [&ann, &bob] {
        assert_eq!(page.exceptions(), <&[String]>::default());
    }
    region.close().await
}
