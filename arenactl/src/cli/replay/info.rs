//! `arenactl replay info`: what is in a replay.

use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;

use arena_replay::{Audit, Footer, Header, Reader, audit};
use clap::Args;
use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::{open, shown, unreadable};
use crate::cli::Context;
use crate::error::{CliError, Status};
use crate::{clock, print};

/// Show what is in a replay: its match, players, rules, result, and what the file is made of.
///
/// Every checksum is looked at, and damage is told; whether the match really went so is for `verify`.
#[derive(Debug, Args)]
pub(crate) struct Info {
    /// The replay.
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// Adds the whole document of the rules.
    #[arg(long)]
    rules: bool,
}

impl Info {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        let mut reader = open(&self.path)?;
        let audit = audit(&mut reader).map_err(|error| unreadable(&self.path, error))?;
        let file_bytes = self.path.metadata().map_or(0, |it| it.len());
        let mut value = json(&reader, &audit, file_bytes);
        if self.rules {
            let rules = &reader.header().rules;
            value["rules"] = serde_json::from_str(rules).unwrap_or_else(|_| json!(rules));
        }
        context.printer.data(&json!({ "replay": value }), || {
            let rules =
                self.rules.then(|| format!("\n{}\n", shown::printable(&reader.header().rules)));
            text(&reader, &audit, file_bytes) + &rules.unwrap_or_default()
        });
        Ok(Status::Done)
    }
}

fn json(reader: &Reader<File>, audit: &Audit, file_bytes: u64) -> Value {
    let mut value = shown::header(reader.header());
    value["last_tick"] = json!(reader.last_tick());
    value["file_bytes"] = json!(file_bytes);
    value["finished"] = json!(reader.recovery().is_none());
    let outcome = reader.footer().map(|it| shown::outcome(&it.outcome));
    value["outcome"] = json!(outcome);
    let last_hash = reader.footer().map(|it| format!("{:016x}", it.last_hash));
    value["last_hash"] = json!(last_hash);
    value["keyframes"] = json!(shown::keyframes(reader.keyframes()));
    let chunks: Vec<Value> = audit
        .chunks
        .iter()
        .map(|(kind, it)| {
            json!({"kind": kind.to_string(), "count": it.count, "file_bytes": it.file_bytes,
                   "raw_bytes": it.raw_bytes})
        })
        .collect();
    value["chunks"] = json!(chunks);
    let problems: Vec<Value> = audit.problems.list().iter().map(shown::problem).collect();
    value["problems"] = json!(problems);
    value
}

fn text(reader: &Reader<File>, audit: &Audit, file_bytes: u64) -> String {
    let header = reader.header();
    let mut text = print::table(&summary(reader, file_bytes));
    if !header.players.is_empty() {
        text.push('\n');
        text += &print::table(&players(header));
    }
    if let Some(standings) = reader.footer().and_then(standings) {
        text.push('\n');
        text += &print::table(&standings);
    }
    text.push('\n');
    text += &print::table(&chunks(audit));
    for line in shown::lines(&audit.problems) {
        let _ = writeln!(text, "\ndamaged: {line}");
    }
    text
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(shown::printable).to_vec()
}

fn summary(reader: &Reader<File>, file_bytes: u64) -> Vec<Vec<String>> {
    let header = reader.header();
    let (first, last) = (header.first_tick, reader.last_tick());
    let seconds = f64::from(last.saturating_sub(first)) / f64::from(header.tick_rate_hz);
    let rules = format!(
        "version {}, hash {:016x}, map {}",
        header.rules_version, header.rules_hash, header.map
    );
    let ticks = format!("{first} to {last} at {} Hz, {seconds:.1} s", header.tick_rate_hz);
    let a_minute = (file_bytes as f64 * 60.0 / seconds.max(1.0)) as u64;
    let file = format!(
        "{}, {} a minute, {} keyframes",
        HumanBytes(file_bytes),
        HumanBytes(a_minute),
        reader.keyframes().len()
    );
    let end = match (reader.footer(), reader.recovery()) {
        (_, Some(recovery)) => format!("none: {recovery}"),
        (Some(footer), None) if footer.outcome.ended_ms == 0 => footer.outcome.reason.clone(),
        (Some(footer), None) => {
            format!("{} at {}", footer.outcome.reason, clock::format_ms(footer.outcome.ended_ms))
        }
        (None, None) => "none".to_owned(),
    };
    let mut rows = vec![
        row(["match", &format!("{}, epoch {}", header.match_id, header.epoch)]),
        row(["game", &format!("{}, schema {}", header.game, header.schema)]),
        row(["release", &header.release]),
        row(["rules", &rules]),
        row(["seed", &header.seed.to_string()]),
        row(["started", &clock::format_ms(header.started_ms)]),
        row(["ticks", &ticks]),
        row(["end", &end]),
        row(["file", &file]),
    ];
    if !header.parent_match.is_empty() {
        rows.insert(1, row(["goes on", &header.parent_match]));
    }
    rows
}

fn players(header: &Header) -> Vec<Vec<String>> {
    let rows = header.players.iter().map(|it| row([&it.seat.to_string(), &it.id, &it.name]));
    std::iter::once(row(["SEAT", "PLAYER", "NAME"])).chain(rows).collect()
}

fn standings(footer: &Footer) -> Option<Vec<Vec<String>>> {
    let standings = &footer.outcome.standings;
    let rows = standings.iter().map(|it| {
        let [rank, seat, kills, deaths] =
            [it.rank, it.seat, it.kills, it.deaths].map(|it| it.to_string());
        row([&rank, &seat, &kills, &deaths, if it.bot { "bot" } else { "" }])
    });
    let head = std::iter::once(row(["PLACE", "SEAT", "KILLS", "DEATHS", ""]));
    (!standings.is_empty()).then(|| head.chain(rows).collect())
}

fn chunks(audit: &Audit) -> Vec<Vec<String>> {
    let rows = audit.chunks.iter().map(|(kind, it)| {
        let [count, file, raw] = [it.count, it.file_bytes, it.raw_bytes].map(|it| it.to_string());
        row([&kind.to_string(), &count, &file, &raw])
    });
    std::iter::once(row(["CHUNKS", "COUNT", "BYTES", "RAW BYTES"])).chain(rows).collect()
}
