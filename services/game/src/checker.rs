//! Cheat check: matches are played again in another way, and what differs is kept with both states.
//!
//! A match is a function of seed, rules and inputs, so a server whose memory, processor or program was
//! tampered with, or is broken, shows as a state that nobody else arrives at. Finished matches are checked
//! as they are stored, and now and then one that runs, by a thread that takes a bounded share of one core.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use arena_replay::{Evidence, GameError, GameMatch, PlaybackError, Problem, ReadError, Reader};
use arena_sdk::Game;
use arena_store::{Objects, PutMode, StoreError};
use bytes::Bytes;
use serde_json::json;

use crate::figures::Figures;
use crate::logic::tape::ReplayId;

/// Finished matches that wait to be checked; beyond it they are not, and counted.
const WAITING_MAX: usize = 256;
/// Without a finished match one that runs is looked at so often.
const LIVE_PERIOD: Duration = Duration::from_secs(15);
/// Where differences are kept, in the data folder and in the object store.
const FOLDER: &str = "evidence";

/// The way in for finished matches; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    finished: SyncSender<(ReplayId, Bytes)>,
    figures: Figures,
}

/// Reads the replays of matches that run, a number each: the same number is the same match for a while.
pub(crate) type Running = Box<dyn Fn(usize) -> Option<(ReplayId, Vec<u8>)> + Send>;

/// What a check needs.
pub(crate) struct Checks {
    pub(crate) game: &'static dyn Game,
    pub(crate) data_dir: PathBuf,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) running: Running,
    /// Percent of one core, 1 to 100.
    pub(crate) percent: u32,
    pub(crate) figures: Figures,
}

/// Why a match was not checked.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("read the replay")]
    Read(#[from] ReadError),
    #[error("play the match again")]
    Play(#[from] PlaybackError<GameError>),
}

/// Why the difference is not kept.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("find the states that differ")]
    Play(#[from] PlaybackError<GameError>),
    #[error("read the replay")]
    Read(#[from] ReadError),
    #[error("write `{}`", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("store the evidence; it stays in the data folder")]
    Store(#[from] StoreError),
}

impl Checker {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, if it has no thread left.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn start(checks: Checks) -> std::io::Result<Self> {
        let (finished, inbox) = sync_channel(WAITING_MAX);
        let (figures, runtime) = (checks.figures.clone(), tokio::runtime::Handle::current());
        let thread = std::thread::Builder::new().name("checks".to_owned());
        thread.spawn(move || checks.run(&inbox, &runtime))?;
        Ok(Self { finished, figures })
    }

    /// Has a finished match checked, if there is time for it.
    pub(crate) fn offer(&self, id: ReplayId, replay: Bytes) {
        if self.finished.try_send((id, replay)).is_err() {
            self.figures.checks_skipped.inc();
        }
    }
}

impl Checks {
    fn run(self, inbox: &Receiver<(ReplayId, Bytes)>, runtime: &tokio::runtime::Handle) {
        let mut looked_at = 0;
        loop {
            let (id, replay) = match inbox.recv_timeout(LIVE_PERIOD) {
                Ok(finished) => finished,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    looked_at += 1;
                    let Some((id, replay)) = (self.running)(looked_at) else { continue };
                    (id, replay.into())
                }
            };
            let began = Instant::now();
            self.check(id, &replay, runtime);
            // The others have the rest of the core.
            let rest = began.elapsed() * (100 - self.percent.min(100)) / self.percent.max(1);
            std::thread::park_timeout(rest);
        }
    }

    fn check(&self, id: ReplayId, replay: &Bytes, runtime: &tokio::runtime::Handle) {
        match self.differences(replay) {
            Ok(differences) if differences.is_empty() => self.figures.checks_equal.inc(),
            Ok(differences) => {
                let what = differences[0].to_string();
                tracing::error!(match_id = %id.match_id, what, "a match took another course than it should");
                if let Err(error) = self.keep(id, replay, &differences, runtime) {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(match_id = %id.match_id, error, "the evidence is not kept");
                }
                self.figures.checks_differ.inc()
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(match_id = %id.match_id, error, "a match was not checked");
                self.figures.checks_failed.inc()
            }
        };
    }

    /// Plays a match again and returns where it is another one.
    fn differences(&self, replay: &Bytes) -> Result<Vec<Problem>, CheckError> {
        let reader = Reader::open(Cursor::new(replay.clone()))?;
        let again = GameMatch::on(self.game, self.game.other_worlds());
        let found = arena_replay::verify(reader, again, |_| ())?;
        let differs = |it: &&Problem| it.differs_at().is_some();
        Ok(found.problems.list().iter().filter(differs).cloned().collect())
    }

    fn keep(
        &self,
        id: ReplayId,
        replay: &Bytes,
        differences: &[Problem],
        runtime: &tokio::runtime::Handle,
    ) -> Result<(), KeepError> {
        let at = differences.iter().filter_map(Problem::differs_at).min().unwrap_or_default();
        let mut reader = Reader::open(Cursor::new(replay.clone()))?;
        let mut again = GameMatch::on(self.game, self.game.other_worlds());
        let evidence = arena_replay::evidence(&mut reader, &mut again, at)?;
        let Evidence { recorded, replayed, .. } = &evidence;
        let mut files = vec![
            ("replay.rpl", replay.clone()),
            ("replayed.state", replayed.clone().into()),
            ("report.json", report(id, differences, &evidence).into()),
        ];
        files.extend(recorded.clone().map(|it| ("recorded.state", it.into())));
        let folder = format!("{FOLDER}/{}/{}", id.match_id, id.epoch.0);
        let local = self.data_dir.join(&folder);
        for (name, bytes) in &files {
            write(&local, name, bytes)?;
        }
        for (name, bytes) in files {
            let path = format!("{folder}/{name}");
            runtime.block_on(self.objects.put(&path, bytes, PutMode::Overwrite))?;
        }
        Ok(())
    }
}

/// Returns what people read first.
fn report(id: ReplayId, differences: &[Problem], evidence: &Evidence) -> Vec<u8> {
    let words = evidence.words.iter().map(|it| {
        json!({"byte": it.byte, "name": it.name, "replayed": it.found, "recorded": it.expected})
    });
    let report = json!({
        "match": id.match_id.to_string(),
        "epoch": id.epoch.0,
        "problems": differences.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "states_of_tick": evidence.tick,
        "words": words.collect::<Vec<_>>(),
        "words_that_differ": evidence.word_count,
    });
    format!("{report:#}\n").into_bytes()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), KeepError> {
    let path = folder.join(name);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, bytes));
    written.map_err(|source| KeepError::Write { path, source })
}

#[cfg(test)]
mod tests;
