//! `arenactl top`: regions, instances, matches, moves and releases, live.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use arena_types::Region;
use arenactl_planning::units::Timestamp;
use clap::Args;
use serde_json::json;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout_at};

use crate::cli::Context;
use crate::clock;
use crate::error::{CliError, Status};
use crate::interrupt::Interrupts;
use crate::print::Output;
use crate::top::{self, Board, Moment, Paint, Told, Watching};

/// Looks that `--once` waits for: how long ticks took is what came between two.
const LOOK_COUNT: u32 = 2;
/// A region that cannot be seen twice in this time is shown as far as it was seen.
const ONCE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a stream of samples goes on.
const STREAM_INTERVAL: Duration = Duration::from_secs(1);

/// Watch regions live: instances, matches, tick times, moves, releases.
///
/// Shows every region of arena.yaml, or the one that `--region` names. Needs a terminal; `--once` prints one frame,
/// `--output json` one document, `--output jsonl` one a second. Press `?` for the keys.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Prints one plain frame and ends.
    #[arg(long)]
    once: bool,
}

impl Top {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        let output = context.printer.output();
        let is_live = !self.once && output == Output::Text;
        if is_live && !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
            return Err(CliError::new(
                Status::InvalidInput,
                "`top` draws on a terminal, and this is none",
            )
            .with_help("one plain frame: `arenactl top --once`")
            .with_help(
                "for machines: `arenactl top --output jsonl`, `arenactl status --output json`",
            ));
        }
        let regions = regions(context)?;
        Context::block_on(LocalSet::new().run_until(async {
            let board = Board::of(regions.iter().cloned());
            let watching = Watching::start(context, &regions);
            if is_live {
                let paint =
                    if context.printer.is_colored() { Paint::Colored } else { Paint::Plain };
                return top::show(board, watching, paint).await;
            }
            match output {
                Output::Jsonl if !self.once => stream(context, board, watching).await,
                _ => once(context, board, watching).await,
            }
        }))
    }
}

/// Returns the regions to look at: the one that was named, else those of the spec, else the one that is known here.
fn regions(context: &Context) -> Result<Vec<Region>, CliError> {
    let is_there = context.global.file.exists();
    if context.global.region.is_none() && is_there {
        return Ok(context.spec()?.regions.into_keys().collect());
    }
    let name = context.global.region.as_deref().unwrap_or("local");
    if is_there && let Ok(spec) = context.spec() {
        return Ok(vec![context.region(&spec)?]);
    }
    let wrong = |error: arena_types::NameError| CliError::new(Status::InvalidInput, error);
    Ok(vec![name.parse().map_err(wrong)?])
}

/// Prints what was seen once each region was seen often enough.
async fn once(
    context: &Context,
    mut board: Board,
    mut watching: Watching,
) -> Result<Status, CliError> {
    let began = Instant::now();
    let (mut counts, mut last) = (BTreeMap::<Region, u32>::new(), Moment::default());
    while !board.is_complete(&counts, LOOK_COUNT) {
        let Ok(Some(told)) = timeout_at(began + ONCE_TIMEOUT, watching.next()).await else { break };
        if let Told::Seen(region, seen) = told {
            *counts.entry(region.clone()).or_default() += 1;
            last = Moment(began.elapsed());
            board.take(&region, last, *seen);
        }
    }
    let model = board.model(last);
    context.printer.data(&model, || top::plain(&model));
    Ok(Status::Done)
}

/// Prints all that is known once a second, until it is told to stop.
async fn stream(
    context: &Context,
    mut board: Board,
    mut watching: Watching,
) -> Result<Status, CliError> {
    let interrupts = Interrupts::listen().map_err(|error| CliError::new(Status::Bug, error))?;
    let began = Instant::now();
    let mut due = began + STREAM_INTERVAL;
    while interrupts.count() == 0 {
        match timeout_at(due, watching.next()).await {
            Ok(Some(Told::Seen(region, seen))) => {
                board.take(&region, Moment(began.elapsed()), *seen);
            }
            Ok(Some(Told::Details(..))) => {}
            Ok(None) => break,
            Err(_) => {
                let ts = Timestamp(clock::now_ms()).to_string();
                let sample = json!({"ts": ts, "top": board.model(Moment(began.elapsed()))});
                let mut out = context.printer.stream();
                if writeln!(out, "{sample}").and_then(|()| out.flush()).is_err() {
                    return Ok(Status::Done); // Whoever read it has read enough.
                }
                due += STREAM_INTERVAL;
            }
        }
    }
    Ok(Status::Interrupted)
}
