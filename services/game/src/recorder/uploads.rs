//! The task that stores finished replays, and removes old ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arena_store::limits::OBJECT_BYTES_MAX;
use arena_store::{Objects, PutMode, StoreError};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Waiting;
use crate::checker::Checker;
use crate::figures::Figures;
use crate::logic::retention::{Kept, Retention, expired};
use crate::logic::tape::ReplayId;
use crate::ticker::unix_ms;

/// Between two tries after a failure: doubles from the first to the second.
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// A replay that waits for longer is not waited for.
const WAITING_MAX: Duration = Duration::from_secs(30);
/// Between two looks for replays that are too old; every instance looks, and deleting twice is no harm.
const SWEEP_PERIOD: Duration = Duration::from_hours(1);
/// Deletions of one look: the others wait for the next.
const SWEEP_MAX: usize = 1_000;

pub(super) struct Uploads {
    pub(super) folder: PathBuf,
    pub(super) objects: Arc<dyn Objects>,
    pub(super) retention: Retention,
    pub(super) checker: Option<Checker>,
    pub(super) figures: Figures,
}

/// A finished file.
struct Finished {
    id: ReplayId,
    path: PathBuf,
    ended: SystemTime,
}

impl Uploads {
    /// Runs until the thread that writes has ended and everything is stored.
    pub(super) async fn run(
        self,
        mut news: watch::Receiver<u32>,
        standing: watch::Sender<Waiting>,
    ) {
        let mut pause = RETRY_MIN;
        let mut sweep = Instant::now();
        let mut is_growing = true;
        loop {
            let seen = *news.borrow_and_update();
            let all_stored = self.upload_all(seen, &standing).await;
            if sweep <= Instant::now() {
                self.sweep().await;
                sweep = Instant::now() + SWEEP_PERIOD;
            }
            pause = if all_stored { RETRY_MIN } else { (pause * 2).min(RETRY_MAX) };
            let next = if all_stored { sweep } else { Instant::now() + pause };
            if all_stored && !is_growing {
                return;
            }
            tokio::select! {
                changed = news.changed(), if is_growing => is_growing = changed.is_ok(),
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    /// Stores what is finished, oldest first; returns whether nothing is left.
    async fn upload_all(&self, seen: u32, standing: &watch::Sender<Waiting>) -> bool {
        let mut finished = match finished(&self.folder) {
            Ok(finished) => finished,
            Err(error) => {
                let folder = self.folder.display();
                tracing::error!(%folder, %error, "finished replays cannot be listed");
                return false;
            }
        };
        finished.sort_by_key(|it| it.ended);
        let mut left = finished.len();
        let mut all_stored = true;
        let tell = |rest: &[Finished]| {
            let recent = |it: &&Finished| it.ended.elapsed().is_ok_and(|it| it < WAITING_MAX);
            let recent = rest.iter().filter(recent).count() as u32;
            standing.send_replace(Waiting { seen, recent });
        };
        tell(&finished);
        for (i, replay) in finished.iter().enumerate() {
            match self.upload(replay).await {
                Ok(()) => left -= 1,
                Err(error) => {
                    let (match_id, error) = (replay.id.match_id, &error as &dyn std::error::Error);
                    tracing::warn!(%match_id, error, "replay not stored yet");
                    all_stored = false;
                    break; // the others would fare no better
                }
            }
            self.figures.replays_waiting.set(i64::try_from(left).unwrap_or(i64::MAX));
            tell(&finished[i + 1..]);
        }
        all_stored
    }

    async fn upload(&self, replay: &Finished) -> Result<(), UploadError> {
        let path = replay.path.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        let bytes = read.expect("reading a file does not panic").map_err(UploadError::Read)?;
        if bytes.len() > OBJECT_BYTES_MAX {
            // It stays for whoever wants it, under a name that is not looked for.
            std::fs::rename(&replay.path, replay.path.with_extension("too-large"))?;
            return Err(UploadError::TooLarge { bytes: bytes.len() });
        }
        let (length, bytes) = (bytes.len(), Bytes::from(bytes));
        self.objects.put(&replay.id.object_path(), bytes.clone(), PutMode::Overwrite).await?;
        std::fs::remove_file(&replay.path)?;
        if let Some(checker) = &self.checker {
            checker.offer(replay.id, bytes);
        }
        self.figures.replays_stored.inc();
        tracing::info!(match_id = %replay.id.match_id, bytes = length, "replay stored");
        Ok(())
    }

    async fn sweep(&self) {
        let listed = match self.objects.list(ReplayId::FOLDER).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(%error, "old replays are not looked for");
                return;
            }
        };
        let kept = |it: arena_store::ObjectMeta| Kept {
            path: it.path,
            bytes: it.bytes,
            stored_ms: it.modified_ms,
        };
        let all = listed.into_iter().map(kept).collect();
        for old in expired(all, self.retention, unix_ms()).into_iter().take(SWEEP_MAX) {
            if let Err(error) = self.objects.delete(&old.path).await {
                tracing::warn!(path = old.path, %error, "an old replay is not removed");
                return;
            }
            self.figures.replays_expired.inc();
            tracing::info!(path = old.path, bytes = old.bytes, "an old replay was removed");
        }
    }
}

/// Why a replay is not stored.
#[derive(Debug, thiserror::Error)]
enum UploadError {
    #[error("read the file")]
    Read(#[source] std::io::Error),
    #[error("move or remove the file")]
    Remove(#[from] std::io::Error),
    #[error(
        "a replay of {bytes} bytes is over the object store's limit; it stays in the data folder"
    )]
    TooLarge { bytes: usize },
    #[error("put the object")]
    Put(#[from] StoreError),
}

fn finished(folder: &Path) -> std::io::Result<Vec<Finished>> {
    let mut finished = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(ReplayId::of_file_name) else { continue };
        let ended = entry.metadata()?.modified()?;
        finished.push(Finished { id, path: entry.path(), ended });
    }
    Ok(finished)
}
