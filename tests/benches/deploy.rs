//! A deploy under load as its players see it: blue-green of game and gateway, and the same load under two naive ways.
//!
//! `make bench-deploy`. `ARENA_BENCH_PLAYERS`, `ARENA_BENCH_MATCHES`, `ARENA_BENCH_SECONDS` (of each window) and
//! `ARENA_BENCH_MATCH_SECONDS` change its size, `ARENA_BENCH_WAYS=1` leaves the naive ways out. Beside `deploy.json` it writes `deploy.md` and `deploy.svg`.
//! `ARENA_BENCH_LAB=1`: our way alone, on a Docker Swarm of three nodes, to `deploy-lab.*`.

#[path = "deploy/page.rs"]
mod page;
#[path = "deploy/place.rs"]
mod place;
#[path = "deploy/ways.rs"]
mod ways;

use std::time::Duration;

use anyhow::Context as _;
use arena_load::{Outcome, Report, Run, WindowReport, picture, write};
use arena_testkit::bench::{Bench, Samples, variable};
use arena_tests::wait_for;

use place::{Moved, Place};
use ways::Way;

/// Everybody plays within this time, on a machine that does nothing else.
const PLAYING_LIMIT: Duration = Duration::from_mins(3);
/// Windows of a run.
const UNDISTURBED: &str = "undisturbed";
const DEPLOY: &str = "deploy";

/// How much is played.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Whether it is on three engines, with images.
    is_lab: bool,
    /// How many ways go on, ours first.
    ways: usize,
    players: u32,
    matches: u32,
    /// Of each window.
    seconds: u64,
    match_seconds: u64,
}

impl Scale {
    fn read() -> anyhow::Result<Self> {
        let is_lab = variable("ARENA_BENCH_LAB", 0)? != 0;
        let (players, matches) = if is_lab { (48, 6) } else { (1_000, 64) };
        Ok(Self {
            is_lab,
            ways: variable("ARENA_BENCH_WAYS", if is_lab { 1 } else { Way::ALL.len() })?,
            players: variable("ARENA_BENCH_PLAYERS", players)?,
            matches: variable("ARENA_BENCH_MATCHES", matches)?,
            seconds: variable("ARENA_BENCH_SECONDS", 60)?,
            match_seconds: variable("ARENA_BENCH_MATCH_SECONDS", 600)?,
        })
    }

    fn settings(&self) -> Vec<String> {
        let seats = self.players.div_ceil(self.matches.max(1)).clamp(1, 16);
        vec![
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
    moved: Moved,
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let scale = Scale::read()?;
    let mut all = Vec::new();
    for way in &Way::ALL[..scale.ways.min(Way::ALL.len())] {
        all.push(play(*way, &scale).await?);
    }
    let json = record(&scale, &all)?.finish()?;
    write(&json.with_extension("md"), &page::write(&scale, &all)?)?;
    let panels: Vec<_> = all.iter().map(|it| (it.way.title(), &it.outcome)).collect();
    Ok(write(&json.with_extension("svg"), &picture(&panels))?)
}

/// Plays in a region of its own: an undisturbed window, then one as long in which the way goes on.
async fn play(way: Way, scale: &Scale) -> anyhow::Result<Played> {
    let place = Place::start(scale).await?;
    let run = Run::start(place.load(scale.players).await?)?;
    wait_for("19 of 20 bots in a match", PLAYING_LIMIT, || async {
        Ok((run.playing() >= scale.players * 19 / 20).then_some(()))
    })
    .await?;
    let length = Duration::from_secs(scale.seconds);
    undisturbed(&run, length).await;
    let before = place.owners().await?;
    let took = ways::go(way, &place, &run, length).await?;
    let moved = Moved::between(&before, &place.owners().await?);
    if took > length {
        undisturbed(&run, took).await; // as long as what it is compared with
    }
    let outcome = tokio::task::spawn_blocking(|| run.finish()).await??;
    place.close().await?;
    let report = outcome.report();
    Ok(Played { way, outcome, report, took_s: took.as_secs_f64(), moved })
}

async fn undisturbed(run: &Run, length: Duration) {
    run.begin(UNDISTURBED);
    tokio::time::sleep(length).await;
    run.end(UNDISTURBED);
}

/// A figure of a way.
type Figure = fn(&Played) -> anyhow::Result<f64>;

/// Figures that all ways have: name, unit, and how they are read.
const FIGURES: [(&str, &str, Figure); 14] = [
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
    ("matches_moved", "", |it| Ok(f64::from(it.moved.matches))),
    ("matches_moved_between_nodes", "", |it| Ok(f64::from(it.moved.between_nodes))),
    ("deploy_s", "s", |it| Ok(it.took_s)),
    ("bots_cpu_share", "cores", Played::bots_share),
];

fn record(scale: &Scale, all: &[Played]) -> anyhow::Result<Bench> {
    let mut bench = Bench::new(if scale.is_lab { "deploy-lab" } else { "deploy" });
    let (ours, others) = all.split_first().context("a way")?;
    for (metric, unit, figure) in FIGURES {
        let value = Samples::exact(figure(ours)?);
        for other in others {
            let baseline = Samples::exact(figure(other)?);
            bench.record_against(metric, unit, value.clone(), (other.way.name(), &baseline));
        }
        if others.is_empty() {
            bench.record(metric, unit, value);
        }
    }
    let replays = ours.report.replays.as_ref();
    for (metric, value) in [
        ("replays_verified", replays.map(|it| it.replays_verified)),
        ("replay_mismatches", replays.map(|it| it.replay_mismatches)),
        ("replay_gaps", replays.map(|it| it.replay_gaps)),
        ("protocol_errors", Some(ours.report.protocol_errors)),
        ("players", Some(ours.report.sessions)),
    ] {
        if let Some(value) = value {
            bench.record(metric, "", Samples::exact(value as f64));
        }
    }
    Ok(bench)
}
