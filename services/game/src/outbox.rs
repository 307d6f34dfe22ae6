//! Results on their way to `stats`: on disk until they are recorded there, whatever dies meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use arena_mesh::Channel;
use arena_types::MatchId;
use arena_wire::stats::v1::MatchResult;
use arena_wire::stats::v1::stats_client::StatsClient;
use tokio::sync::{mpsc, watch};

use crate::logic::journal;

/// Results that wait for the disk: ends of matches come a few a second.
const RESULTS_MAX: usize = 1_024;
/// Results that wait for `stats`: twice what [`UNRECORDED_MAX`] lets come together.
const LINE_MAX: usize = 4 * UNRECORDED_MAX as usize;
/// With so many unrecorded results an instance takes no new match: `stats` is away for minutes.
pub const UNRECORDED_MAX: u32 = 4_096;
/// A file whose results are all recorded is emptied when it is longer.
const COMPACT_LEN: u64 = 1 << 20;
/// Between two tries after a failure: doubles from the first to the second.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// An answer of `stats` is waited for this long; then it is asked again.
const RECORD_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the outbox cannot be opened or written.
#[derive(Debug, thiserror::Error)]
#[error("{doing} `{}`; give the game service a writable ARENA_DATA_DIR with free space", path.display())]
pub struct OutboxError {
    doing: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

/// The file.
#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
    pending: BTreeMap<String, MatchResult>,
}

impl Journal {
    fn open(folder: &Path) -> Result<Self, OutboxError> {
        let path = folder.join("results.journal");
        let fail = |doing| {
            let path = path.clone();
            move |source| OutboxError { doing, path, source }
        };
        std::fs::create_dir_all(folder).map_err(fail("make the folder of"))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail("open"))?;
        let bytes = std::fs::read(&path).map_err(fail("read"))?;
        let journal::Replay { pending, whole_len, torn_len } = journal::replay(&bytes);
        if torn_len > 0 {
            tracing::warn!(path = %path.display(), torn_len, "cut the torn tail of the results");
            file.set_len(whole_len as u64).map_err(fail("cut"))?;
        }
        file.seek(SeekFrom::End(0)).map_err(fail("seek in"))?;
        file.sync_all().map_err(fail("sync"))?;
        // The entry of a new file must survive too.
        File::open(folder).and_then(|it| it.sync_all()).map_err(fail("sync the folder of"))?;
        Ok(Self { path, file, len: whole_len as u64, pending })
    }

    /// Appends a record and returns once it is on disk.
    fn append(&mut self, record: &[u8]) -> Result<(), OutboxError> {
        let written = self.file.write_all(record).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What was half written would hide all that follows: cut it off.
            let _ = self.file.set_len(self.len).and_then(|()| self.file.seek(SeekFrom::End(0)));
            return Err(OutboxError { doing: "write", path: self.path.clone(), source });
        }
        self.len += record.len() as u64;
        Ok(())
    }

    fn keep(&mut self, result: &MatchResult) -> Result<(), OutboxError> {
        self.append(&journal::result(result))?;
        self.pending.insert(result.r#match.clone(), result.clone());
        Ok(())
    }

    fn forget(&mut self, id: &str) -> Result<(), OutboxError> {
        if self.pending.remove(id).is_none() {
            return Ok(()); // it could not be written before it was recorded
        }
        if self.pending.is_empty() && self.len > COMPACT_LEN {
            let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
            emptied.map_err(|source| OutboxError {
                doing: "empty",
                path: self.path.clone(),
                source,
            })?;
            self.len = 0;
            return Ok(());
        }
        self.append(&journal::recorded(id))
    }
}

/// What the outbox is asked to do.
#[derive(Debug)]
enum Entry {
    Keep(MatchResult),
    Forget(String),
}

/// How the outbox stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Results that are not recorded yet.
    pub unrecorded: u32,
    /// Why results are not safe against a crash now, if so.
    pub trouble: Option<String>,
}

/// The way in; clones share it.
#[derive(Clone, Debug)]
pub struct Outbox {
    entries: mpsc::Sender<Entry>,
    standing: watch::Receiver<Standing>,
}

impl Outbox {
    /// Opens the file in `folder`, goes on with what a crash left there, and reports to `recorded`
    /// what `stats` has acknowledged.
    ///
    /// # Errors
    /// [`OutboxError`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(
        folder: &Path,
        stats: Channel,
        recorded: mpsc::Sender<MatchId>,
    ) -> Result<Self, OutboxError> {
        let journal = Journal::open(folder)?;
        let (entries, inbox) = mpsc::channel(RESULTS_MAX);
        let (queue, results) = mpsc::channel(LINE_MAX);
        let late: VecDeque<MatchResult> = journal.pending.values().cloned().collect();
        if !late.is_empty() {
            tracing::info!(results = late.len(), "results are recorded late, after a restart");
        }
        let unrecorded = journal.pending.len() as u32;
        let (standing, watched) = watch::channel(Standing { unrecorded, trouble: None });
        let forget = entries.downgrade();
        let writer = Writer { journal, queue, standing, unwritten: VecDeque::new() };
        tokio::spawn(writer.run(inbox));
        tokio::spawn(deliver(StatsClient::new(stats), late, results, forget, recorded));
        Ok(Self { entries, standing: watched })
    }

    /// Takes a result; waits if the disk is far behind.
    pub async fn keep(&self, result: MatchResult) {
        // The writer lives as long as this sender.
        let _ = self.entries.send(Entry::Keep(result)).await;
    }

    /// Returns how it stands, now and whenever that changes.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }
}

struct Writer {
    journal: Journal,
    queue: mpsc::Sender<MatchResult>,
    standing: watch::Sender<Standing>,
    unwritten: VecDeque<MatchResult>,
}

impl Writer {
    async fn run(mut self, mut inbox: mpsc::Receiver<Entry>) {
        loop {
            let again = async {
                if self.unwritten.is_empty() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(RETRY_MAX).await;
            };
            let entry = tokio::select! {
                entry = inbox.recv() => match entry {
                    Some(entry) => Some(entry),
                    None => return,
                },
                () = again => None,
            };
            self = self.write(entry).await;
        }
    }

    /// Writes on a thread that may block.
    async fn write(mut self, entry: Option<Entry>) -> Self {
        let writing = tokio::task::spawn_blocking(move || {
            self.take(entry);
            self
        });
        writing.await.expect("writing a file does not panic")
    }

    /// What cannot be written is delivered all the same, and written when there is room again.
    fn take(&mut self, entry: Option<Entry>) {
        let deliver = match entry {
            Some(Entry::Keep(result)) => {
                self.standing.send_modify(|it| it.unrecorded += 1);
                self.unwritten.push_back(result.clone());
                Some(result)
            }
            Some(Entry::Forget(id)) => {
                self.standing.send_modify(|it| it.unrecorded = it.unrecorded.saturating_sub(1));
                self.unwritten.retain(|it| it.r#match != id);
                let forgotten = self.journal.forget(&id);
                self.told(forgotten.err().as_ref());
                None
            }
            None => None,
        };
        if !self.unwritten.is_empty() {
            let written = self.write_waiting();
            self.told(written.err().as_ref());
        }
        if let Some(result) = deliver {
            // The other end goes away with the process only.
            let _ = self.queue.blocking_send(result);
        }
    }

    fn write_waiting(&mut self) -> Result<(), OutboxError> {
        while let Some(result) = self.unwritten.front() {
            self.journal.keep(result)?;
            self.unwritten.pop_front();
        }
        Ok(())
    }

    fn told(&self, trouble: Option<&OutboxError>) {
        let reason = trouble.map(|it| format!("cannot {it}: {}", it.source));
        self.standing.send_if_modified(|it| {
            let changed = it.trouble != reason;
            if let Some(reason) = reason.as_ref().filter(|_| changed) {
                tracing::error!(reason, "results are not safe");
            } else if changed {
                tracing::info!("results are safe again");
            }
            it.trouble = reason;
            changed
        });
    }
}

/// Asks `stats` to record one result after the other until it says so; those it refuses go to the
/// end of the line.
async fn deliver(
    mut stats: StatsClient<Channel>,
    mut line: VecDeque<MatchResult>,
    mut results: mpsc::Receiver<MatchResult>,
    forget: mpsc::WeakSender<Entry>,
    recorded: mpsc::Sender<MatchId>,
) {
    let mut pause = RETRY_MIN;
    loop {
        if line.is_empty() {
            let Some(result) = results.recv().await else { return };
            line.push_back(result);
        }
        while let Ok(result) = results.try_recv() {
            line.push_back(result);
        }
        let Some(result) = line.pop_front() else { continue };
        let mut request = tonic::Request::new(result.clone());
        request.set_timeout(RECORD_TIMEOUT);
        match stats.record(request).await {
            Ok(reply) => {
                pause = RETRY_MIN;
                let first = reply.into_inner().first;
                tracing::info!(match_id = result.r#match, first, "result recorded");
                let Some(forget) = forget.upgrade() else { return };
                let _ = forget.send(Entry::Forget(result.r#match.clone())).await;
                if let Ok(id) = result.r#match.parse() {
                    let _ = recorded.send(id).await;
                }
            }
            Err(status) => {
                tracing::warn!(match_id = result.r#match, %status, "result not recorded yet");
                line.push_back(result);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str) -> MatchResult {
        MatchResult { r#match: id.to_owned(), ..MatchResult::default() }
    }

    #[test]
    fn what_was_kept_is_there_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        journal.keep(&of("a")).unwrap();
        journal.keep(&of("b")).unwrap();
        journal.forget("a").unwrap();
        drop(journal);
        let path = folder.path().join("results.journal");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend([1, 2, 3]);
        std::fs::write(&path, bytes).unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.pending.keys().collect::<Vec<_>>(), ["b"]);
        journal.keep(&of("c")).unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.pending.keys().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn a_long_file_without_pending_results_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        journal.keep(&of("a")).unwrap();
        journal.len = COMPACT_LEN + 1;
        journal.forget("a").unwrap();
        assert_eq!(std::fs::metadata(&journal.path).unwrap().len(), 0);
        journal.keep(&of("b")).unwrap();
        assert_eq!(Journal::open(folder.path()).unwrap().pending.len(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_written_says_so() {
        let error = Journal::open(Path::new("/proc/arena")).unwrap_err();
        assert!(error.to_string().contains("ARENA_DATA_DIR"), "{error}");
    }
}
