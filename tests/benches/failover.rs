//! What players notice when the owner of their match is killed, and how many matches' journals the embedded store
//! bears. `cargo bench -p arena-tests --bench failover`.

#[path = "failover/journals.rs"]
mod journals;

use std::time::Duration;

use anyhow::ensure;
use arena_load::{Args, Report, Run};
use arena_testkit::bench::{Bench, Samples};
use arena_tests::long::{
    SETTINGS, SHADOWED, all_matches, busiest, covered, matches, pid, taken_over,
};
use arena_tests::{TestRegion, wait_for};
use rustix::process::{Signal, kill_process};

/// All of one match.
const PLAYERS: u32 = 16;
const KILLS: usize = 7;
/// Undisturbed play before each kill, and after the match went on.
const CALM: Duration = Duration::from_secs(3);
/// Everybody plays, and what was killed is there again, within this time.
const LIMIT: Duration = Duration::from_mins(1);

/// A way to go on, and what its figures are called.
struct Mode {
    /// Beside those of all ways.
    setting: &'static str,
    has_copies: bool,
    pause_ms: &'static str,
    lost_ticks: &'static str,
    lost_inputs: &'static str,
}

const MODES: [Mode; 2] = [
    Mode {
        setting: "services.game.env.ARENA_GAME_FAILOVER=journal",
        has_copies: false,
        pause_ms: "pause_ms",
        lost_ticks: "lost_ticks",
        lost_inputs: "lost_inputs",
    },
    Mode {
        setting: SHADOWED,
        has_copies: true,
        pause_ms: "shadow_pause_ms",
        lost_ticks: "shadow_lost_ticks",
        lost_inputs: "shadow_lost_inputs",
    },
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut bench = Bench::new("failover");
    for mode in &MODES {
        let report = kill(mode).await?;
        let kills = report.windows.iter().filter(|it| it.name != CALM_WINDOW);
        let samples = |figure: fn(&arena_load::WindowReport) -> f64| {
            Samples::new(kills.clone().map(figure).collect())
        };
        bench.record(mode.pause_ms, "ms", samples(|it| it.longest_gap_ticks * 1_000.0 / 60.0));
        bench.record(mode.lost_ticks, "ticks", samples(|it| it.lost_ticks as f64));
        bench.record(mode.lost_inputs, "", Samples::exact(report.inputs_lost as f64));
        let losses = (report.dropped_sessions, report.matches_lost, report.protocol_errors);
        ensure!(losses == (0, 0, 0), "sessions, matches and promises lost: {losses:?}");
    }
    let [lab, most] = journals::measure().await?;
    bench.record("store_append_ms_p99", "ms", Samples::exact(lab.append_ms_p99));
    bench.record("store_cores", "cores", Samples::exact(lab.cores));
    bench.record("store_matches", "", Samples::exact(most.matches as f64));
    bench.record("store_matches_cores", "cores", Samples::exact(most.cores));
    bench.finish()?;
    Ok(())
}

const CALM_WINDOW: &str = "undisturbed";

/// Kills the owner of a match again and again; each time is a window of the report.
async fn kill(mode: &Mode) -> anyhow::Result<Report> {
    let region = TestRegion::new(&[SETTINGS, &[mode.setting]].concat()).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let run = Run::start(Args {
        replays: None, // those of an owner that was killed have no end
        ..Args::of_region(&region.url().await?, region.folder(), region.replays(), PLAYERS)
    })?;
    wait_for("all bots in a match", LIMIT, || async {
        Ok((run.playing() >= PLAYERS).then_some(()))
    })
    .await?;
    for number in 0..KILLS {
        if mode.has_copies {
            covered(&region, all_matches(&region).await?).await?;
        }
        run.begin(CALM_WINDOW);
        tokio::time::sleep(CALM).await;
        run.end(CALM_WINDOW);
        let name = format!("kill {number}");
        run.begin(&name);
        let owner = busiest(&region).await?;
        kill_process(pid(&owner)?, Signal::KILL)?;
        taken_over(&region, &owner, matches(&owner)).await?;
        tokio::time::sleep(CALM).await;
        run.end(&name);
        wait_for("both games to be ready", LIMIT, || async {
            let games = region.live("game").await?;
            let is_up =
                |it: &serde_json::Value| it["state"] == "ready" || it["state"] == "occupied";
            Ok((games.len() == 2 && games.iter().all(is_up)).then_some(()))
        })
        .await?;
    }
    let outcome = tokio::task::spawn_blocking(|| run.finish()).await??;
    region.close().await?;
    Ok(outcome.report())
}
