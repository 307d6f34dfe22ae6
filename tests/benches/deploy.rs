//! A deploy under load as its players see it: blue-green of game and gateway, and the same load under two naive ways.
//!
//! `make bench-deploy`. `ARENA_BENCH_PLAYERS`, `ARENA_BENCH_MATCHES`, `ARENA_BENCH_SECONDS` (of each window) and
//! `ARENA_BENCH_MATCH_SECONDS` change its size. Beside `deploy.json` it writes `deploy.md` and `deploy.svg`.

#[path = "deploy/page.rs"]
mod page;
#[path = "deploy/ways.rs"]
mod ways;

use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use arena_load::{Args, Outcome, Report, Run, WindowReport, picture, write};
use arena_testkit::bench::{Bench, Samples};
use arena_tests::{TestRegion, wait_for};

use ways::Way;

/// Everybody plays within this time, on a machine that does nothing else.
const PLAYING_LIMIT: Duration = Duration::from_mins(3);
/// Windows of a run.
const UNDISTURBED: &str = "undisturbed";
const DEPLOY: &str = "deploy";

/// How much is played.
#[derive(Clone, Copy, Debug)]
struct Scale {
    players: u32,
    matches: u32,
    /// Of each window.
    seconds: u64,
    match_seconds: u64,
}

impl Scale {
    fn read() -> anyhow::Result<Self> {
        Ok(Self {
            players: variable("ARENA_BENCH_PLAYERS", 1_000)?,
            matches: variable("ARENA_BENCH_MATCHES", 64)?,
            seconds: variable("ARENA_BENCH_SECONDS", 60)?,
            match_seconds: variable("ARENA_BENCH_MATCH_SECONDS", 600)?,
        })
    }

    fn settings(&self) -> Vec<String> {
        let seats = self.players.div_ceil(self.matches.max(1)).clamp(1, 16);
        vec![
            "services.gateway.ports.public=0".to_owned(),
            "services.gateway.strategy=blue-green".to_owned(),
            format!("services.matchmaker.env.ARENA_MATCHMAKER_SEATS={seats}"),
            format!("services.game.env.ARENA_GAME_FILLED_SEATS={seats}"),
            "services.auth.env.ARENA_AUTH_LOGINS_PER_IP=100000".to_owned(),
            "services.gateway.env.ARENA_GATEWAY_CONNECTIONS_PER_IP=20000".to_owned(),
            "rules.match.frag_limit=0".to_owned(),
            format!("rules.match.time_limit_ticks={}", self.match_seconds * 60),
        ]
    }
}

/// A way, and what its players saw.
struct Played {
    way: Way,
    outcome: Outcome,
    report: Report,
    /// Seconds that the way took.
    took_s: f64,
}

impl Played {
    fn window(&self, name: &str) -> anyhow::Result<&WindowReport> {
        self.report.window(name).with_context(|| format!("the window `{name}`"))
    }

    /// Returns the share of one core that the bots used while the way went on.
    fn bots_share(&self) -> anyhow::Result<f64> {
        let window = self.window(DEPLOY)?;
        Ok(window.cpu_s.get("arena-load").copied().unwrap_or(0.0) / window.seconds.max(1.0))
    }
}

fn variable<T>(name: &str, default: T) -> anyhow::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text} is no whole number")),
        Err(_) => Ok(default),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let scale = Scale::read()?;
    let mut all = Vec::new();
    for way in Way::ALL {
        all.push(play(way, &scale).await?);
    }
    let json = record(&all)?.finish()?;
    write(&json.with_extension("md"), &page::write(&scale, &all)?)?;
    let panels: Vec<_> = all.iter().map(|it| (it.way.title(), &it.outcome)).collect();
    Ok(write(&json.with_extension("svg"), &picture(&panels))?)
}

/// Plays in a region of its own: an undisturbed window, then one as long in which the way goes on.
async fn play(way: Way, scale: &Scale) -> anyhow::Result<Played> {
    let settings = scale.settings();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let region = TestRegion::new(&settings).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let run = Run::start(Args::of_region(
        &region.url().await?,
        region.folder(),
        region.replays(),
        scale.players,
    ))?;
    wait_for("19 of 20 bots in a match", PLAYING_LIMIT, || async {
        Ok((run.playing() >= scale.players * 19 / 20).then_some(()))
    })
    .await?;
    let length = Duration::from_secs(scale.seconds);
    undisturbed(&run, length).await;
    let took = ways::go(way, &region, &run, length).await?;
    if took > length {
        undisturbed(&run, took).await; // as long as what it is compared with
    }
    let outcome = tokio::task::spawn_blocking(|| run.finish()).await??;
    region.close().await?;
    let report = outcome.report();
    Ok(Played { way, outcome, report, took_s: took.as_secs_f64() })
}

async fn undisturbed(run: &Run, length: Duration) {
    run.begin(UNDISTURBED);
    tokio::time::sleep(length).await;
    run.end(UNDISTURBED);
}

/// A figure of a way.
type Figure = fn(&Played) -> anyhow::Result<f64>;

/// Figures that all ways have: name, unit, and how they are read.
const FIGURES: [(&str, &str, Figure); 12] = [
    ("dropped_sessions", "", |it| Ok(it.report.dropped_sessions as f64)),
    ("matches_lost", "", |it| Ok(it.report.matches_lost as f64)),
    ("connections_lost", "", |it| Ok(it.report.connections_lost as f64)),
    ("lost_ticks", "ticks", |it| Ok(it.window(DEPLOY)?.lost_ticks as f64)),
    ("baseline_lost_ticks", "ticks", |it| Ok(it.window(UNDISTURBED)?.lost_ticks as f64)),
    ("lost_inputs", "", |it| Ok(it.window(DEPLOY)?.inputs_lost as f64)),
    ("longest_gap_ticks", "ticks", |it| Ok(it.window(DEPLOY)?.longest_gap_ticks)),
    ("baseline_gap_ticks", "ticks", |it| Ok(it.window(UNDISTURBED)?.longest_gap_ticks)),
    ("gap_ticks_p999", "ticks", |it| Ok(it.window(DEPLOY)?.gap_ticks_p999)),
    ("baseline_gap_ticks_p999", "ticks", |it| Ok(it.window(UNDISTURBED)?.gap_ticks_p999)),
    ("deploy_s", "s", |it| Ok(it.took_s)),
    ("bots_cpu_share", "cores", Played::bots_share),
];

fn record(all: &[Played]) -> anyhow::Result<Bench> {
    let mut bench = Bench::new("deploy");
    let (ours, others) = all.split_first().context("a way")?;
    for (metric, unit, figure) in FIGURES {
        let value = Samples::exact(figure(ours)?);
        for other in others {
            let baseline = Samples::exact(figure(other)?);
            bench.record_against(metric, unit, value.clone(), (other.way.name(), &baseline));
        }
    }
    let replays = ours.report.replays.as_ref().context("the replays")?;
    for (metric, value) in [
        ("replays_verified", replays.replays_verified),
        ("replay_mismatches", replays.replay_mismatches),
        ("replay_gaps", replays.replay_gaps),
        ("protocol_errors", ours.report.protocol_errors),
        ("players", ours.report.sessions),
    ] {
        bench.record(metric, "", Samples::exact(value as f64));
    }
    Ok(bench)
}
