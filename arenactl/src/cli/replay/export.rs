//! `arenactl replay export`: a replay, or a part of it, in another form.

mod inputs;
mod ticks;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arena_replay::arena::{ArenaError, ArenaMatch};
use arena_replay::{CutError, Playback, PlaybackError, Reader, cut};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Caused, open, unplayable};
use crate::cli::Context;
use crate::durable::{self, Access, FileError};
use crate::error::{CliError, Status};

/// Print a replay as JSON, or cut a part of it out.
///
/// With `--format inputs` nothing is played, so it works for replays of any release and any game.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The replay.
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// What to make of it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The first tick [default: the first there is].
    #[arg(long, value_name = "TICK")]
    from: Option<u32>,
    /// The last tick [default: the last there is].
    #[arg(long, value_name = "TICK")]
    to: Option<u32>,
    /// Prints the players of every so many ticks; what happened in between is not left out.
    #[arg(long, value_name = "TICKS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// The file to write [default: standard output].
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Replaces a file that is there.
    #[arg(long)]
    force: bool,
}

/// A form of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line of JSON a tick: inputs, what happened, where players are.
    #[default]
    Jsonl,
    /// The same as one JSON document.
    Json,
    /// A line of JSON a change of a seat's input.
    Inputs,
    /// A replay of those ticks alone; needs `--out`.
    Replay,
}

/// Why an export ended early.
#[derive(Debug)]
enum Stop {
    Play(PlaybackError<ArenaError>),
    Cut(CutError<ArenaError>),
    Write(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl Export {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        let reader = open(&self.path)?;
        let release = reader.header().release.clone();
        let ticks = self.ticks(&reader, &release)?;
        match self.out.clone() {
            None if self.format == Format::Replay => {
                Err(CliError::new(Status::InvalidInput, "a replay is not for reading")
                    .with_help("name the file to write with `--out PATH`"))
            }
            None => {
                let mut out = context.printer.stream();
                match self.write(reader, ticks, &mut out).and_then(|()| Ok(out.flush()?)) {
                    // A reader that went away (`| head`) is no failure of the command.
                    Err(Stop::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                        Ok(Status::Done)
                    }
                    Err(stop) => Err(self.failure(&release, stop)),
                    Ok(()) => Ok(Status::Done),
                }
            }
            Some(path) => {
                self.write_file(reader, ticks, &release, &path)?;
                let details = json!({"file": path.display().to_string()});
                let text = format!("wrote `{}`", path.display());
                context.printer.verdict(Status::Done, &details, &text);
                Ok(Status::Done)
            }
        }
    }

    /// Returns the first and the last tick that are wanted.
    fn ticks(&self, reader: &Reader<File>, release: &str) -> Result<(u32, u32), CliError> {
        let (first, last) = (reader.header().first_tick, reader.last_tick());
        let (from, to) = (self.from.unwrap_or(first), self.to.unwrap_or(last));
        let outside = [from, to].into_iter().find(|tick| *tick < first || *tick > last);
        if let Some(tick) = outside {
            let error = PlaybackError::<ArenaError>::Beyond { tick, first, last };
            return Err(unplayable(&self.path, release, error));
        }
        if to < from {
            let error = CutError::<ArenaError>::Backwards { from, to };
            return Err(CliError::new(Status::InvalidInput, error)
                .with_help("give `--from` the earlier tick and `--to` the later one"));
        }
        Ok((from, to))
    }

    fn write_file(
        &self,
        reader: Reader<File>,
        ticks: (u32, u32),
        release: &str,
        path: &Path,
    ) -> Result<(), CliError> {
        if path.exists() && !self.force {
            return Err(CliError::new(
                Status::InvalidInput,
                format!("`{}` is there already", path.display()),
            )
            .with_help("choose another name, or replace it with `--force`"));
        }
        let mut stopped = None;
        let written = durable::replace(path, Access::Everyone, |file| {
            let mut out = io::BufWriter::new(file);
            match self.write(reader, ticks, &mut out) {
                Ok(()) => out.flush(),
                Err(Stop::Write(error)) => Err(error),
                Err(stop) => {
                    stopped = Some(stop);
                    Err(io::Error::other("the export ended early"))
                }
            }
        });
        match stopped {
            Some(stop) => Err(self.failure(release, stop)),
            None => written.map_err(not_written),
        }
    }

    fn write(
        &self,
        reader: Reader<File>,
        ticks: (u32, u32),
        out: &mut impl Write,
    ) -> Result<(), Stop> {
        if self.format == Format::Inputs {
            return inputs::write(reader, ticks, out);
        }
        let mut playback = Playback::new(reader, ArenaMatch::on_cpu()).map_err(Stop::Play)?;
        match self.format {
            Format::Replay => {
                cut(&mut playback, (Some(ticks.0), Some(ticks.1)), out).map_err(Stop::Cut)
            }
            Format::Json => {
                ticks::write(&mut playback, ticks, self.every, &mut ticks::Document::new(out))
            }
            Format::Jsonl | Format::Inputs => {
                ticks::write(&mut playback, ticks, self.every, &mut ticks::Lines(out))
            }
        }
    }

    fn failure(&self, release: &str, stop: Stop) -> CliError {
        match stop {
            Stop::Play(error) | Stop::Cut(CutError::Playback(error)) => {
                unplayable(&self.path, release, error)
            }
            Stop::Cut(error @ (CutError::Backwards { .. } | CutError::Write(_))) => {
                CliError::new(Status::Bug, error)
            }
            Stop::Cut(CutError::Io(source)) | Stop::Write(source) => {
                let what = "cannot write what was exported".to_owned();
                CliError::new(Status::PreflightFailed, Caused { what, source: Box::new(source) })
                    .with_help("check the disk that it is written to")
            }
        }
    }
}

fn not_written(error: FileError) -> CliError {
    let help = match &error {
        FileError::Write { .. } => "name another file with `--out`".to_owned(),
        _ => error.help(),
    };
    CliError::new(Status::PreflightFailed, error).with_help(help)
}
