//! Commands about replays: what is in one, whether it is true, and parts of it in other forms.

mod export;
mod info;
mod shown;
mod verify;

use std::error::Error as StdError;
use std::fs::File;
use std::path::Path;

use arena_replay::{Fault, Header, PlaybackError, ReadError, Reader};
use arena_sdk::Game;
use clap::{Args, Subcommand};

use crate::cli::Context;
use crate::durable::FileError;
use crate::error::{CliError, Status};

/// Look into a replay, verify it, or export parts of it.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Info(info::Info),
    Verify(verify::Verify),
    Export(export::Export),
}

impl Replay {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        match self.action {
            Action::Info(command) => command.run(context),
            Action::Verify(command) => command.run(context),
            Action::Export(command) => command.run(context),
        }
    }
}

/// Opens the replay that a command names.
fn open(path: &Path) -> Result<Reader<File>, CliError> {
    let file = File::open(path).map_err(|source| cannot_read(path, source))?;
    Reader::open(file).map_err(|error| unreadable(path, error))
}

fn cannot_read(path: &Path, source: std::io::Error) -> CliError {
    CliError::new(Status::InvalidInput, FileError::Read { path: path.to_path_buf(), source })
        .with_help("name the file of a replay")
}

/// A replay that cannot be opened: no replay at all, or one whose header is damaged.
fn unreadable(path: &Path, error: ReadError) -> CliError {
    match error {
        ReadError::Io { source, .. } => cannot_read(path, source),
        ReadError::Damaged(damage) => {
            let (status, help) = match damage.fault {
                Fault::NotReplay => (Status::InvalidInput, "name the file of a replay"),
                Fault::Version { .. } => {
                    (Status::InvalidInput, "use the arenactl of the release that wrote it")
                }
                _ => (
                    Status::NotVerified,
                    "without its header a replay cannot be read: take another copy of the file",
                ),
            };
            let what = format!("cannot read the replay `{}`", path.display());
            CliError::new(status, Caused { what, source: Box::new(ReadError::Damaged(damage)) })
                .with_help(help)
        }
    }
}

/// Returns the game of a replay, if this build has it.
fn game_of(path: &Path, header: &Header) -> Result<&'static dyn Game, CliError> {
    arena_games::find(&header.game).map_err(|error| {
        let what = format!("cannot play the replay `{}`", path.display());
        let release = shown::printable(&header.release);
        CliError::new(Status::PreflightFailed, Caused { what, source: Box::new(error) })
            .with_help(format!("use the arenactl of the release that wrote it, `{release}`"))
    })
}

/// A replay that cannot be played, or not to where it was to be.
fn unplayable<E: StdError + Send + Sync + 'static>(
    path: &Path,
    release: &str,
    error: PlaybackError<E>,
) -> CliError {
    let (status, help) = match &error {
        PlaybackError::Read(ReadError::Io { .. }) => {
            (Status::InvalidInput, "check that the file and its disk can be read".to_owned())
        }
        PlaybackError::Simulation(_) => {
            let release = shown::printable(release);
            (
                Status::PreflightFailed,
                format!("use the arenactl of the release that wrote it, `{release}`"),
            )
        }
        PlaybackError::Beyond { .. } => {
            (Status::InvalidInput, "choose ticks that `arenactl replay info` shows".to_owned())
        }
        PlaybackError::Read(_) | PlaybackError::Untrue(_) => (
            Status::NotVerified,
            format!("see all that is wrong: `arenactl replay verify {}`", path.display()),
        ),
    };
    let what = format!("cannot play the replay `{}`", path.display());
    CliError::new(status, Caused { what, source: Box::new(error) }).with_help(help)
}

/// What could not be done, and why.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Caused {
    what: String,
    source: Box<dyn StdError + Send + Sync>,
}
