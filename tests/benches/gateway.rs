//! What a player costs: CPU of gateway and game a delivered snapshot, and bytes on the wire; and how a dead
//! gateway's sessions come back. `cargo bench -p arena-tests --bench gateway`.

#[path = "gateway/storm.rs"]
mod storm;

use std::time::Duration;

use anyhow::Context as _;
use arena_load::cpu_times_s;
use arena_testkit::bench::{Bench, Samples};
use arena_tests::{Bots, BotsReport, TestRegion, wait_for};

/// Bot players of a run.
const PLAYERS: u32 = 100;
/// Measured stretch of a run, after all of them play.
const STRETCH: Duration = Duration::from_secs(20);
const RUNS: u64 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let region = TestRegion::new(&["services.gateway.ports.public=0"]).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let mut cost_s = Vec::new();
    let mut bytes = Vec::new();
    for seed in 0..RUNS {
        let (cpu_s, report) = play(&region, seed).await?;
        let snapshots = report.count("frames")?;
        cost_s.push(cpu_s / (snapshots as f64 / 1_000.0));
        bytes.push(report.0["bytes_per_player_s"].as_f64().context("bytes_per_player_s")?);
    }
    region.close().await?;
    let storm = storm::measure().await?;
    let [calm_us, storm_us] = storm.tick_p99_us.map(Samples::exact);

    let mut bench = Bench::new("gateway");
    bench.record("cpu_s_per_1k_snapshots", "s", Samples::new(cost_s));
    bench.record("bytes_per_player_s", "B/s", Samples::new(bytes));
    bench.record("reconnect_tick_p99_ratio", "", Samples::exact(storm.tick_p99_ratio));
    bench.record_against("reconnect_tick_p99_us", "us", storm_us, ("before", &calm_us));
    bench.record("reconnect_all_back_s", "s", Samples::exact(storm.all_back_s));
    bench.record("reconnect_attempts", "", Samples::exact(storm.attempts));
    for (metric, unit, field) in [
        ("reconnect_longest_gap_ms", "ms", "longest_gap_ms"),
        ("reconnect_dropped_sessions", "", "dropped_sessions"),
        ("reconnect_lost_inputs", "", "inputs_lost"),
    ] {
        bench.record(metric, unit, Samples::exact(storm.players.count(field)? as f64));
    }
    bench.finish()?;
    Ok(())
}

/// Lets bots play a while; returns the CPU seconds that gateways and games used for all of it.
async fn play(region: &TestRegion, seed: u64) -> anyhow::Result<(f64, BotsReport)> {
    let pids = [region.pids("gateway").await?, region.pids("game").await?].concat();
    let used_s = || cpu_times_s(&pids).context("a process has ended");
    let before = used_s()?;
    let bots = Bots::start(&region.url().await?, PLAYERS, seed)?;
    wait_for("all bots in a match", Duration::from_mins(1), || async {
        Ok((region.sessions("game").await? >= u64::from(PLAYERS) * 9 / 10).then_some(()))
    })
    .await?;
    tokio::time::sleep(STRETCH).await;
    let report = bots.stop().await?;
    Ok((used_s()? - before, report))
}
