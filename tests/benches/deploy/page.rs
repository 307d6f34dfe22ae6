//! The page that a run leaves in docs/.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::Context as _;
use arena_load::{ReplayReport, WindowReport};

use crate::{DEPLOY, FIGURES, Played, Scale, UNDISTURBED};

/// Ticks by which the longest gap of a deploy may exceed that of the undisturbed window: those of one frame.
const GAP_TICKS_MORE_MAX: f64 = 2.0;

/// Writes the page.
pub(crate) fn write(scale: &Scale, all: &[Played]) -> anyhow::Result<String> {
    let mut page = "# A deploy under load\n\n".to_owned();
    let Scale { is_lab, players, matches, seconds, match_seconds, .. } = scale;
    let (target, place, picture) = if *is_lab {
        (
            "bench-deploy-lab",
            "a Docker Swarm of three engines, a game and a gateway on each, of",
            "bench-deploy-lab.svg",
        )
    } else {
        ("bench-deploy", "a region `local` of", "bench-deploy.svg")
    };
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    writeln!(
        page,
        "Printed by `make {target}` on {}, at commit {}, on {}.\n\n\
         {players} bot sessions in {matches} matches of {match_seconds} s, {place} {profile} binaries and \
         the bots on the same machine. Each way has a region of its own: {seconds} s undisturbed, then a window as \
         long in which the way goes on. What the figures mean, \
         and what is known of them: [load.md](load.md).\n",
        said("date", &["-u", "+%Y-%m-%d"])?,
        said("git", &["rev-parse", "--short", "HEAD"])?,
        machine()?,
    )?;
    writeln!(page, "![Time between two frames, over time]({picture})\n")?;
    table(all, &mut page)?;
    verdict(all.first().context("a way")?, &mut page)?;
    broken_promises(all, &mut page)?;
    if !is_lab {
        cpu(all, &mut page)?; // what runs in containers is none of this machine's state folder
        replays(all, &mut page)?;
    }
    Ok(page)
}

fn table(all: &[Played], page: &mut String) -> anyhow::Result<()> {
    heading("", all, page)?;
    for (metric, unit, figure) in FIGURES {
        let unit = if unit.is_empty() { String::new() } else { format!(", {unit}") };
        write!(page, "| `{metric}`{unit} |")?;
        for played in all {
            write!(page, " {} |", rounded(figure(played)?))?;
        }
        page.push('\n');
    }
    for (name, value) in ROWS {
        write!(page, "| {name} |")?;
        for played in all {
            let [calm, busy] = [UNDISTURBED, DEPLOY].map(|it| played.window(it));
            write!(page, " {} / {} |", rounded(value(calm?)), rounded(value(busy?)))?;
        }
        page.push('\n');
    }
    page.push('\n');
    Ok(())
}

/// A figure of a window.
type OfWindow = fn(&WindowReport) -> f64;

/// Rows with the undisturbed window first.
const ROWS: [(&str, OfWindow); 10] = [
    ("gap, median, ticks: undisturbed / deploy", |it| it.gap_ticks_p50),
    ("gap, p99, ticks", |it| it.gap_ticks_p99),
    ("longest gap over a change of owner, ticks", |it| it.longest_gap_ticks_of_moves),
    ("longest gap over a change of connection, ticks", |it| it.longest_gap_ticks_of_connections),
    ("lost ticks at a change of owner", |it| it.lost_ticks_of_moves as f64),
    ("input latency, median, ms", |it| it.latency_ms_p50 as f64),
    ("input latency, p99, ms", |it| it.latency_ms_p99 as f64),
    ("inputs that gave way to later ones", |it| it.inputs_merged as f64),
    ("ticks skipped for slow readers", |it| it.ticks_skipped as f64),
    ("bytes a player-second", |it| it.bytes_per_player_s),
];

/// Says what a deploy promises, and whether this one kept it.
fn verdict(ours: &Played, page: &mut String) -> anyhow::Result<()> {
    let (calm, busy) = (ours.window(UNDISTURBED)?, ours.window(DEPLOY)?);
    let more = busy.longest_gap_ticks - calm.longest_gap_ticks;
    page.push_str("What a deploy promises, and whether this one kept it:\n\n");
    let gap = format!("longest gap at most {GAP_TICKS_MORE_MAX} ticks over the undisturbed one");
    for (promise, kept, found) in [
        (
            "no session dropped",
            ours.report.dropped_sessions == 0,
            ours.report.dropped_sessions as f64,
        ),
        ("no tick lost", busy.lost_ticks == 0, busy.lost_ticks as f64),
        ("no input lost", busy.inputs_lost == 0, busy.inputs_lost as f64),
        (&*gap, more <= GAP_TICKS_MORE_MAX, more),
    ] {
        let kept = if kept { "kept" } else { "**not kept**" };
        writeln!(page, "- {promise}: {kept} ({})", rounded(found))?;
    }
    page.push('\n');
    Ok(())
}

/// Names the promises of the protocol that were broken, if one was.
fn broken_promises(all: &[Played], page: &mut String) -> anyhow::Result<()> {
    for Played { way, report, .. } in all {
        for (kind, times) in &report.protocol_error_kinds {
            let example = report.protocol_error_examples.get(kind).map_or("", String::as_str);
            writeln!(page, "**{}**: {kind}, {times} times: {example}\n", way.name())?;
        }
    }
    Ok(())
}

fn cpu(all: &[Played], page: &mut String) -> anyhow::Result<()> {
    page.push_str("Cores used in the window of the deploy; the bots are one thread:\n\n");
    heading("program", all, page)?;
    let window = all.first().context("a way")?.window(DEPLOY)?;
    for program in window.cpu_s.keys() {
        write!(page, "| {program} |")?;
        for played in all {
            let window = played.window(DEPLOY)?;
            let used_s = window.cpu_s.get(program).copied().unwrap_or(0.0);
            write!(page, " {:.2} |", used_s / window.seconds.max(1.0))?;
        }
        page.push('\n');
    }
    page.push('\n');
    Ok(())
}

/// A figure of the replays of a run.
type OfReplays = fn(&ReplayReport) -> u64;

fn replays(all: &[Played], page: &mut String) -> anyhow::Result<()> {
    page.push_str("All matches played again from their replays, over the whole run:\n\n");
    heading("", all, page)?;
    let figures: [(&str, OfReplays); 8] = [
        ("matches", |it| it.matches),
        ("matches ended before their rules did", |it| it.matches_cut),
        ("replays verified", |it| it.replays_verified),
        ("mismatches", |it| it.replay_mismatches),
        ("gaps between replays", |it| it.replay_gaps),
        ("frames compared with the simulation", |it| it.frames_compared),
        ("inputs played", |it| it.inputs_played),
        ("inputs lost", |it| it.inputs_lost),
    ];
    for (name, figure) in figures {
        write!(page, "| {name} |")?;
        for played in all {
            let replays = played.report.replays.as_ref().context("the replays")?;
            write!(page, " {} |", figure(replays))?;
        }
        page.push('\n');
    }
    Ok(())
}

fn heading(first: &str, all: &[Played], page: &mut String) -> anyhow::Result<()> {
    let names: Vec<&str> = all.iter().map(|it| it.way.name()).collect();
    writeln!(page, "| {first} | {} |\n|---|{}", names.join(" | "), "---:|".repeat(names.len()))?;
    Ok(())
}

fn rounded(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.2}") }
}

fn machine() -> anyhow::Result<String> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|it| it.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism()?;
    Ok(format!("{cores} cores of {}", model.map_or("an unnamed processor", |it| it.1)))
}

fn said(program: &str, args: &[&str]) -> anyhow::Result<String> {
    let output =
        Command::new(program).args(args).output().with_context(|| format!("run {program}"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
