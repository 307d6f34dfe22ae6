//! `arenactl replay verify`: whether a replay is whole, and what really happened.

use std::path::{Path, PathBuf};

use arena_replay::{GameMatch, Verification, verify};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{game_of, open, shown, unplayable};
use crate::cli::Context;
use crate::error::{CliError, Status};
use crate::print::{Output, Style, counted};

/// Play a replay again and compare every state hash, every keyframe and the result.
///
/// Exit code 0 if all is as recorded; 14 if the file is damaged, has no end, or the match takes another
/// course, with the first tick and the reason; 4 if this arenactl cannot play the match.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The replay.
    #[arg(value_name = "FILE")]
    path: PathBuf,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        let reader = open(&self.path)?;
        let release = reader.header().release.clone();
        let game = game_of(&self.path, reader.header())?;
        let (first, last) = (reader.header().first_tick, reader.last_tick());
        let bar = bar(context, u64::from(last.saturating_sub(first)));
        let progress = |tick: u32| bar.set_position(u64::from(tick.saturating_sub(first)));
        let verified = verify(reader, GameMatch::new(game), progress);
        bar.finish_and_clear();
        let verification = verified.map_err(|error| unplayable(&self.path, &release, error))?;
        let status = if verification.is_true() { Status::Done } else { Status::NotVerified };
        let details = details(&self.path, game.name(), &verification, (first, last));
        context.printer.verdict(
            status,
            &details,
            &self.text(context, &verification, (first, last)),
        );
        Ok(status)
    }

    fn text(&self, context: &Context, verification: &Verification, ticks: (u32, u32)) -> String {
        let (path, compared) = (self.path.display(), verification.compared);
        let (first, last) = ticks;
        let hashes = counted(compared.hashes, "hash");
        let keyframes = counted(compared.keyframes, "keyframe");
        if verification.is_true() {
            let mark = context.printer.paint(Style::Good, "✓");
            return format!(
                "{mark} {path} verifies: ticks {first} to {last}, equal in {hashes} and {keyframes}"
            );
        }
        let mark = context.printer.paint(Style::Bad, "✗");
        let proven = match verification.proven_tick {
            Some(tick) => format!("the last equal state is of tick {tick}"),
            None => "no state was found equal".to_owned(),
        };
        let mut lines = vec![format!("{mark} {path} does not verify")];
        lines.extend(shown::lines(&verification.problems));
        lines.push(format!("compared: {hashes} and {keyframes}; {proven}"));
        lines.join("\n  ")
    }
}

/// A bar on terminals, nothing elsewhere.
fn bar(context: &Context, ticks: u64) -> ProgressBar {
    let printer = &context.printer;
    if !printer.is_terminal() || printer.output() == Output::Jsonl {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(ticks);
    let style = ProgressStyle::with_template("  {bar:40} tick {pos} of {len}, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn details(
    path: &Path,
    game: &str,
    verification: &Verification,
    (first, last): (u32, u32),
) -> Value {
    let compared = verification.compared;
    let problems: Vec<Value> = verification.problems.list().iter().map(shown::problem).collect();
    json!({
        "file": path.display().to_string(), "game": game, "first_tick": first, "last_tick": last,
        "proven_tick": verification.proven_tick, "ticks": compared.ticks, "hashes": compared.hashes,
        "keyframes": compared.keyframes, "problems": problems,
        "problems_left_out": verification.problems.more(),
    })
}
