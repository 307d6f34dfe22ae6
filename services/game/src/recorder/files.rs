//! The thread that writes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::GROWING;
use crate::figures::Figures;
use crate::logic::tape::{ReplayId, Taped};

/// Files kept open; beyond it a file is opened for each write.
const OPEN_MAX: usize = 256;
/// Syncs to disk a second that keyframes get; ends always get theirs. An instance with more matches
/// leaves the others to the kernel, which writes within half a minute.
const SYNCS_PER_S_MAX: u32 = 20;

/// The files of running matches.
pub(super) struct Files {
    folder: PathBuf,
    bytes_max: u64,
    growing: BTreeMap<ReplayId, Growing>,
    open: usize,
    synced: (Instant, u32),
    figures: Figures,
}

struct Growing {
    /// `None` if too many are open.
    file: Option<File>,
    len: u64,
    /// Nothing more is written: bytes were lost, or the disk failed.
    is_cut: bool,
}

impl Files {
    pub(super) fn new(folder: PathBuf, bytes_max: u64, figures: Figures) -> Self {
        let synced = (Instant::now(), 0);
        Self { folder, bytes_max, growing: BTreeMap::new(), open: 0, synced, figures }
    }

    /// Runs until nobody can send any more; counts in `ended` the files that are complete.
    pub(super) fn run(mut self, mut inbox: mpsc::Receiver<Taped>, ended: &watch::Sender<u32>) {
        while let Some(taped) = inbox.blocking_recv() {
            match taped {
                Taped::Bytes { id, offset, block } => {
                    self.append(id, offset, &block.bytes, block.is_sync);
                }
                Taped::End { id } => {
                    self.end(id);
                    ended.send_modify(|it| *it = it.wrapping_add(1));
                }
            }
        }
    }

    fn append(&mut self, id: ReplayId, offset: u64, bytes: &[u8], is_sync: bool) {
        if offset == 0 {
            self.begin(id);
        }
        // A file that could not be begun has been told of.
        let Some(growing) = self.growing.get_mut(&id).filter(|it| !it.is_cut) else { return };
        if growing.len != offset {
            tracing::warn!(match_id = %id.match_id, "parts of a replay were lost: it ends before its match");
            growing.is_cut = true;
            return;
        }
        let path = growing_path(&self.folder, id);
        let opened = growing.file.take().map_or_else(|| reopen(&path), Ok);
        let written = opened.and_then(|mut file| {
            let written = file.write_all(bytes);
            if written.is_err() {
                // What was half written would be no chunk.
                file.set_len(offset)?;
            }
            written.map(|()| file)
        });
        match written {
            Ok(file) => {
                growing.len += bytes.len() as u64;
                self.figures.replay_bytes.inc_by(bytes.len() as u64);
                let is_sync = is_sync && may_sync(&mut self.synced, Instant::now());
                if is_sync && let Err(error) = file.sync_data() {
                    tracing::warn!(path = %path.display(), %error, "a replay is not synced");
                }
                growing.file = (self.open <= OPEN_MAX).then_some(file);
            }
            Err(error) => {
                growing.is_cut = true;
                let path = path.display();
                tracing::error!(%path, %error, "a replay ends before its match: make room on this disk");
            }
        }
    }

    fn begin(&mut self, id: ReplayId) {
        let path = growing_path(&self.folder, id);
        let used = used_bytes(&self.folder);
        let begun = match used {
            Ok(used) if used >= self.bytes_max => {
                let max = self.bytes_max;
                tracing::error!(%used, max, "a match is not recorded: replays wait for the object store");
                None
            }
            Ok(_) => File::create(&path).inspect_err(|error| told(&path, error)).ok(),
            Err(error) => {
                told(&self.folder, &error);
                None
            }
        };
        match begun {
            Some(file) => {
                self.open += 1;
                let file = (self.open <= OPEN_MAX).then_some(file);
                self.growing.insert(id, Growing { file, len: 0, is_cut: false });
            }
            None => drop(self.figures.replays_lost.inc()),
        }
    }

    fn end(&mut self, id: ReplayId) {
        let Some(growing) = self.growing.remove(&id) else { return };
        self.open -= 1;
        if growing.is_cut {
            self.figures.replays_torn.inc();
        }
        let path = growing_path(&self.folder, id);
        let synced = growing.file.map_or_else(|| reopen(&path), Ok).and_then(|it| it.sync_data());
        let renamed = std::fs::rename(&path, self.folder.join(id.file_name()));
        if let Err(error) = synced.and(renamed) {
            told(&path, &error);
        }
    }
}

fn told(path: &Path, error: &std::io::Error) {
    tracing::error!(path = %path.display(), %error, "a replay cannot be written");
}

fn reopen(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

fn growing_path(folder: &Path, id: ReplayId) -> PathBuf {
    folder.join(id.file_name()).with_added_extension(GROWING)
}

/// Whether one more sync fits into this second.
fn may_sync((since, count): &mut (Instant, u32), now: Instant) -> bool {
    if now.duration_since(*since) >= Duration::from_secs(1) {
        (*since, *count) = (now, 0);
    }
    *count += 1;
    *count <= SYNCS_PER_S_MAX
}

/// Returns the bytes of all files in `folder`.
fn used_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        // A file that was uploaded meanwhile takes no room.
        bytes += entry?.metadata().map_or(0, |it| it.len());
    }
    Ok(bytes)
}

/// Ends the files that an earlier process left growing; returns how many.
pub(super) fn end_all(folder: &Path) -> std::io::Result<usize> {
    let mut ended = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == GROWING) {
            std::fs::rename(&path, path.with_extension(""))?;
            ended += 1;
        }
    }
    Ok(ended)
}
