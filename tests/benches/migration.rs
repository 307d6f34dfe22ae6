//! What the move of a match costs, and what players notice when many matches move at once.
//! `cargo bench -p arena-tests --bench migration`; `ARENA_BENCH_MATCHES` says how many.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use arena_load::{Args, Report, Run, cpu_times_s};
use arena_testkit::bench::{Bench, Samples, variable};
use arena_tests::long::{SETTINGS, elsewhere, name};
use arena_tests::{TestRegion, wait_for};
use serde_json::Value;

/// Matches that move at once, of one player each.
const MATCHES: u32 = 100;
/// Moves of one match alone.
const SINGLES: usize = 9;
/// Times that all matches move to the other instance.
const ROUNDS: usize = 3;
/// The least length of a window.
const WINDOW: Duration = Duration::from_secs(8);
const UNDISTURBED: &str = "undisturbed";
const MOVES: &str = "moves";
/// All matches run, or are elsewhere, within this time.
const LIMIT: Duration = Duration::from_mins(2);
const GAMES: [&str; 2] = ["game-r1-0", "game-r1-1"];

/// What a round took.
struct Round {
    seconds: f64,
    /// CPU time of both games beyond that of as long a stretch of undisturbed play.
    work_s: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let matches = variable("ARENA_BENCH_MATCHES", MATCHES)?;
    let region = TestRegion::new(&settings()).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    drain(&region, GAMES[1]).await?; // all matches begin at the other one
    let run = Run::start(Args::of_region(
        &region.url().await?,
        region.folder(),
        region.replays(),
        matches,
    ))?;
    wait_for("all bots in a match", LIMIT, || async {
        Ok((run.playing() >= matches).then_some(()))
    })
    .await?;
    undrain(&region, GAMES[1]).await?;
    let singles = singles(&region).await?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        rounds.push(move_all(&region, &run, GAMES[round % GAMES.len()], matches).await?);
    }
    let outcome = tokio::task::spawn_blocking(|| run.finish()).await??;
    region.close().await?;
    record(matches, &singles, &rounds, &outcome.report())
}

fn settings() -> Vec<&'static str> {
    let seats = [
        "services.matchmaker.env.ARENA_MATCHMAKER_SEATS=1",
        "services.auth.env.ARENA_AUTH_LOGINS_PER_IP=100000",
        "services.gateway.env.ARENA_GATEWAY_CONNECTIONS_PER_IP=20000",
    ];
    [SETTINGS, &seats].concat()
}

async fn drain(region: &TestRegion, game: &str) -> anyhow::Result<()> {
    region.run(&["drain", game, "--deadline", "2m"]).await?.expect_code(0).map(drop)
}

async fn undrain(region: &TestRegion, game: &str) -> anyhow::Result<()> {
    region.run(&["drain", game, "--cancel"]).await?.expect_code(0).map(drop)
}

/// Moves one match after the other to the instance that has none, and back; returns what was told of each move.
async fn singles(region: &TestRegion) -> anyhow::Result<Vec<Value>> {
    let top = region.run(&["top", "--output", "json"]).await?.expect_code(0)?.json()?;
    let found = top["matches"].as_array().and_then(|it| it.first()?["match"].as_str());
    let id = found.context("a match in `arenactl top`")?;
    let mut told = Vec::new();
    for number in 0..SINGLES {
        let to = GAMES[(number + 1) % GAMES.len()];
        let ran = region.run(&["migrate", id, "--to", to, "--output", "json"]).await?;
        told.push(ran.expect_code(0)?.json()?["result"]["report"].take());
    }
    Ok(told)
}

/// Drains an instance of all matches, beside as long a window in which nothing happens.
async fn move_all(
    region: &TestRegion,
    run: &Run,
    from: &str,
    matches: u32,
) -> anyhow::Result<Round> {
    let pids = region.pids("game").await?;
    let games = region.live("game").await?;
    let source = games.iter().find(|it| name(it) == from).context("the source")?;
    let calm_s = spent(&pids, async {
        run.begin(UNDISTURBED);
        tokio::time::sleep(WINDOW).await;
        run.end(UNDISTURBED);
        Ok(())
    });
    let calm_s = calm_s.await? / WINDOW.as_secs_f64();
    let begun = Instant::now();
    run.begin(MOVES);
    let busy_s = spent(&pids, drain(region, from)).await?;
    let seconds = begun.elapsed().as_secs_f64();
    tokio::time::sleep(WINDOW.saturating_sub(begun.elapsed())).await;
    run.end(MOVES);
    let moved = elsewhere(region, source).await?;
    ensure!(moved >= u64::from(matches), "{moved} of {matches} matches left {from}");
    undrain(region, from).await?;
    Ok(Round { seconds, work_s: busy_s - calm_s * seconds })
}

/// Returns the CPU seconds that processes use while something is done.
async fn spent(
    pids: &[u32],
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<f64> {
    let used = || cpu_times_s(pids).context("a game has ended");
    let before = used()?;
    work.await?;
    Ok(used()? - before)
}

fn record(
    matches: u32,
    singles: &[Value],
    rounds: &[Round],
    report: &Report,
) -> anyhow::Result<()> {
    let mut bench = Bench::new("migration");
    for (metric, unit) in [
        ("payload_bytes", "B"),
        ("level_ticks", "ticks"),
        ("cut_us", "µs"),
        ("stall_ticks", "ticks"),
    ] {
        let read = |it: &Value| it[metric].as_f64().with_context(|| format!("`{metric}` in {it}"));
        let all: anyhow::Result<Vec<f64>> = singles.iter().map(read).collect();
        bench.record(metric, unit, Samples::new(all?));
    }
    let of_rounds =
        |figure: &dyn Fn(&Round) -> f64| Samples::new(rounds.iter().map(figure).collect());
    let number = f64::from(matches);
    bench.record("matches_per_s", "1/s", of_rounds(&|it| number / it.seconds));
    bench.record("move_cpu_us", "µs", of_rounds(&|it| it.work_s * 1e6 / number));
    let gaps = |name: &str| {
        let windows = report.windows.iter().filter(|it| it.name == name);
        Samples::new(windows.map(|it| it.longest_gap_ticks).collect())
    };
    bench.record_against("gap_ticks", "ticks", gaps(MOVES), (UNDISTURBED, &gaps(UNDISTURBED)));
    bench.record("baseline_gap_ticks", "ticks", gaps(UNDISTURBED));
    let replays = report.replays.as_ref().context("the replays")?;
    for (metric, value) in [
        ("dropped_sessions", report.dropped_sessions),
        ("matches_lost", report.matches_lost),
        ("lost_ticks", report.lost_ticks),
        ("lost_inputs", report.inputs_lost),
        ("protocol_errors", report.protocol_errors),
        ("replays_verified", replays.replays_verified),
        ("replay_mismatches", replays.replay_mismatches),
    ] {
        bench.record(metric, "", Samples::exact(value as f64));
    }
    bench.finish()?;
    Ok(())
}
