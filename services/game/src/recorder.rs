//! Replays: written while their matches run, stored in the object store when they are over.
//!
//! A thread of its own appends to one file a match in the instance's data folder, so that no tick and
//! no message waits for the disk. Finished files go to the object store and only then leave the
//! folder; what an earlier process of this instance left there goes too, torn or not: a replay without
//! its end is readable as far as it goes.

mod files;
mod uploads;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arena_sdk::Game;
use arena_store::Objects;
use arena_types::MatchId;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use crate::checker::{Checker, Checks, Running};
use crate::figures::Figures;
use crate::logic::retention::Retention;
use crate::logic::tape::{ReplayId, Taped};

use files::Files;
use uploads::Uploads;

/// What waits for the disk: two seconds of a full instance, as each match writes once a second.
const TAPED_MAX: usize = 8_192;
/// Where the files lie in the data folder.
const FOLDER: &str = "replays";
/// What a file's name ends with while its match runs.
const GROWING: &str = "part";

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
#[error("{doing} `{}`; give the game service a writable ARENA_DATA_DIR with free space", path.display())]
pub struct RecorderError {
    doing: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

/// What a recorder is made of.
pub struct RecorderParts {
    /// The instance's data folder.
    pub data_dir: PathBuf,
    /// Where replays are stored.
    pub objects: Arc<dyn Objects>,
    /// How much is recorded.
    pub recording: Recording,
    /// The game whose matches are checked, and the percent of one core that takes, 0 to 100.
    pub check: (&'static dyn Game, u32),
    /// Where it counts.
    pub figures: Figures,
}

/// How much is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Bytes of the data folder; while it is that full, new matches are not recorded.
    pub disk_bytes_max: u64,
    /// What the object store keeps.
    pub retention: Retention,
}

impl Recording {
    /// Whether anything is recorded at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.retention.age_max.is_zero()
    }
}

/// What is not stored yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Waiting {
    /// Replays that have reached the disk since the start.
    seen: u32,
    /// Those on disk that ended a moment ago.
    recent: u32,
}

/// The way in; clones share it.
#[derive(Clone, Debug)]
pub struct Recorder {
    taped: mpsc::Sender<Taped>,
    /// Replays whose end is on its way to the disk, or was.
    ended: Arc<AtomicU32>,
    waiting: watch::Receiver<Waiting>,
    folder: Arc<Path>,
    figures: Figures,
}

impl Recorder {
    /// Starts the thread that writes, the task that uploads, and the thread that checks.
    ///
    /// # Errors
    /// [`RecorderError`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(parts: RecorderParts) -> Result<Self, RecorderError> {
        let RecorderParts { data_dir, objects, recording, check, figures } = parts;
        let folder = data_dir.join(FOLDER);
        let fail = |doing| {
            let path = folder.clone();
            move |source| RecorderError { doing, path, source }
        };
        std::fs::create_dir_all(&folder).map_err(fail("make the folder"))?;
        let left = files::end_all(&folder).map_err(fail("read the folder"))?;
        if left > 0 {
            tracing::info!(replays = left, "replays without their end are stored as they are");
        }
        let (taped, inbox) = mpsc::channel(TAPED_MAX);
        let (ended, news) = watch::channel(0);
        let (standing, waiting) = watch::channel(Waiting::default());
        let files = Files::new(folder.clone(), recording.disk_bytes_max, figures.clone());
        let named = std::thread::Builder::new().name("replays".to_owned());
        named.spawn(move || files.run(inbox, &ended)).map_err(fail("start the thread of"))?;
        let (game, percent) = check;
        let checks = Checks {
            game,
            data_dir,
            objects: objects.clone(),
            running: running(folder.clone()),
            percent,
            figures: figures.clone(),
        };
        let checker = (percent > 0).then(|| Checker::start(checks)).transpose();
        let uploads = Uploads {
            folder: folder.clone(),
            objects,
            retention: recording.retention,
            checker: checker.map_err(fail("start the thread that checks"))?,
            figures: figures.clone(),
        };
        tokio::spawn(uploads.run(news, standing));
        let ended = Arc::default();
        Ok(Self { taped, ended, waiting, folder: folder.into(), figures })
    }

    /// Takes what is to be done to files. Bytes that do not find room are lost, and their replay ends
    /// there; an end always arrives.
    pub(crate) fn offer(&self, taped: Vec<Taped>) {
        for taped in taped {
            let is_end = matches!(taped, Taped::End { .. });
            if is_end {
                self.ended.fetch_add(1, Ordering::Relaxed);
            }
            match self.taped.try_send(taped) {
                Err(TrySendError::Full(end)) if is_end => {
                    let later = self.taped.clone();
                    tokio::spawn(async move { later.send(end).await });
                }
                Err(_) => drop(self.figures.replay_blocks_lost.inc()),
                Ok(()) => {}
            }
        }
    }

    /// Returns how many replays of matches that ended a moment ago are not stored yet. Those that wait
    /// for longer do not count: an instance does not outlive its matches for them.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        let Waiting { seen, recent } = *self.waiting.borrow();
        self.ended.load(Ordering::Relaxed).wrapping_sub(seen) + recent
    }

    /// Reads the newest replay of a match that runs, or ended a moment ago, here.
    pub(crate) fn newest(&self, match_id: MatchId) -> Option<(ReplayId, Vec<u8>)> {
        let of = |entry: std::io::Result<std::fs::DirEntry>| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let whole = name.strip_suffix(GROWING).and_then(|it| it.strip_suffix('.'));
            ReplayId::of_file_name(whole.unwrap_or(&name)).filter(|it| it.match_id == match_id)
        };
        let id = std::fs::read_dir(&self.folder).ok()?.filter_map(of).max()?;
        let path = self.folder.join(id.file_name());
        let read = std::fs::read(path.with_added_extension(GROWING));
        // Its match may have ended between the two.
        read.or_else(|_| std::fs::read(&path)).ok().map(|it| (id, it))
    }
}

/// Reads what runs: the n-th of the growing files, counted round.
fn running(folder: PathBuf) -> Running {
    Box::new(move |number| {
        let names = std::fs::read_dir(&folder).ok()?;
        let mut ids: Vec<ReplayId> = names
            .filter_map(|it| {
                let name = it.ok()?.file_name().into_string().ok()?;
                ReplayId::of_file_name(name.strip_suffix(GROWING)?.strip_suffix('.')?)
            })
            .collect();
        ids.sort();
        let id = *ids.get(number % ids.len().max(1))?;
        let path = folder.join(id.file_name()).with_added_extension(GROWING);
        Some((id, std::fs::read(path).ok()?))
    })
}

#[cfg(test)]
mod tests;
