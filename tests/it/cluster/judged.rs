//! A deploy of game and gateway while people play, judged frame by frame, and against the replays of all matches.

use std::time::Duration;

use anyhow::Context as _;
use arena_load::{Args, Run};
use arena_tests::{TestRegion, wait_for};

const PLAYERS: u32 = 24;
/// A match lasts eight seconds here, and a machine that also compiles is slow to start one.
const PLAYING_LIMIT: Duration = Duration::from_mins(1);
const SETTINGS: &[&str] = &["services.gateway.ports.public=0", "rules.match.time_limit_ticks=480"];
const CHANGE: &[&str] =
    &["--set", "services.game.env.ARENA_TEST=2", "--set", "services.gateway.env.ARENA_TEST=2"];

/// Between two matches a bot looks at the standings: nine of ten play at once, hardly ever all.
async fn most_play(run: &Run) -> anyhow::Result<()> {
    let most = || async { Ok((run.playing() >= PLAYERS * 9 / 10).then_some(())) };
    wait_for("nine of ten bots in a match", PLAYING_LIMIT, most).await
}

#[tokio::test]
async fn a_deploy_is_judged_by_its_players_and_by_the_replays_of_their_matches()
-> anyhow::Result<()> {
    let region = TestRegion::new(SETTINGS).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let run = Run::start(Args {
        seed: 5,
        ..Args::of_region(&region.url().await?, region.folder(), region.replays(), PLAYERS)
    })?;
    most_play(&run).await?;
    run.begin("deploy");
    region.deploy(CHANGE).await?.expect_code(0)?;
    most_play(&run).await?;
    run.end("deploy");
    let outcome = tokio::task::spawn_blocking(|| run.finish()).await??;
    let (report, picture) = (outcome.report(), outcome.picture("a deploy"));
    let text = serde_json::to_string(&report)?;
    println!("{text}");

    assert_eq!((report.dropped_sessions, report.protocol_errors), (0, 0), "{text}");
    assert_eq!((report.sessions, report.matches_lost), (u64::from(PLAYERS), 0), "{text}");
    let deploy = report.window("deploy").context("the window")?;
    assert!(deploy.moves >= u64::from(PLAYERS), "every session changes its gateway: {text}");
    let game_s = deploy.cpu_s.get("game").with_context(|| format!("CPU time of game: {text}"))?;
    assert!(*game_s > 0.0 && deploy.latency_ms_p50 > 0, "{text}");
    assert!(picture.contains(">deploy<"), "{picture}");

    let replays = report.replays.as_ref().context("the replays were looked at")?;
    assert_eq!((replays.replay_mismatches, replays.replay_gaps), (0, 0), "{text}");
    assert!(replays.matches >= 2 && replays.replays_verified >= replays.matches, "{text}");
    assert!(replays.frames_compared > 0 && replays.inputs_played > 0, "{text}");
    assert_eq!(replays.inputs_lost, 0, "{text}");
    assert_eq!(report.inputs_lost, replays.inputs_lost, "{text}");
    region.close().await
}
