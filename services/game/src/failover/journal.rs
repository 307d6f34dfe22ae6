//! Writes to the hot state what matches confirm: all that waits, of all matches, in one write.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arena_store::limits::{ENTRIES_MAX, WRITE_BYTES_MAX};
use arena_store::{HotState, JournalAppend, StoreError};
use arena_types::{Epoch, MatchId};
use arena_wire::game::v1::JournalEntry;
use arena_wire::game::v1::journal_entry::Entry as Wire;
use bytes::Bytes;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{epochs_read, journal_key};
use crate::Config;
use crate::figures::Figures;
use crate::links::shard_of;
use crate::logic::shard::{Entry, What};
use crate::moving::{bounded, messages};
use crate::ticker::Command;

/// Wake-ups of tick threads whose entries wait for the hot state: seconds of all threads. What comes then is lost,
/// and counted; the next snapshot makes it good.
const QUEUE_MAX: usize = 256;
/// A journal that nobody adds to vanishes after this: far longer than a take-over takes.
const TTL: Duration = Duration::from_mins(2);
/// Tries of one write, and the pause between two: what is lost then is a gap until the next snapshot.
const TRIES_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(50);
/// Snapshots after which what is before the last one but one is removed.
const TRIM_SNAPSHOTS: u32 = 4;
/// Journals that wait to be trimmed or removed; those that find no room vanish by themselves.
const SWEEPS_MAX: usize = 4_096;

/// The way to the journals; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    news: mpsc::Sender<News>,
    figures: Figures,
}

/// What the journals are made of.
pub(crate) struct JournalParts {
    pub(crate) hot: Arc<dyn HotState>,
    pub(crate) config: Config,
    pub(crate) figures: Figures,
    /// The tick threads, which hear what is durable.
    pub(crate) shards: Vec<mpsc::WeakSender<Command>>,
}

#[derive(Debug)]
enum News {
    Entries(Vec<Entry>),
    Over(MatchId, Epoch),
    Covered(MatchId, Epoch),
}

/// What is done to a journal beside adding to it.
#[derive(Debug)]
enum Sweep {
    Trim(String, u64),
    Remove(String),
}

impl Journal {
    /// Starts writing.
    pub(crate) fn start(parts: JournalParts) -> Self {
        let (news, inbox) = mpsc::channel(QUEUE_MAX);
        let (sweeps, line) = mpsc::channel(SWEEPS_MAX);
        let figures = parts.figures.clone();
        tokio::spawn(sweep(parts.hot.clone(), line));
        let writer = Writer { parts, sweeps, marks: HashMap::new() };
        tokio::spawn(writer.run(inbox));
        Self { news, figures }
    }

    /// Takes entries; never waits.
    pub(crate) fn offer(&self, entries: Vec<Entry>) {
        let number = entries.len() as u64;
        if number > 0 && self.news.try_send(News::Entries(entries)).is_err() {
            self.figures.journal_lost.inc_by(number);
        }
    }

    /// Removes the journals of a match that has a warm copy: nobody shall go on from the past.
    pub(crate) fn supersede(&self, id: MatchId, epoch: Epoch) {
        let _ = self.news.try_send(News::Covered(id, epoch)); // the record names the copy, which goes before
    }

    /// Removes the journal of a match that is over, if it has one.
    pub(crate) fn forget(&self, id: MatchId, epoch: Epoch) {
        let _ = self.news.try_send(News::Over(id, epoch)); // else it vanishes by itself
    }
}

struct Writer {
    parts: JournalParts,
    sweeps: mpsc::Sender<Sweep>,
    marks: HashMap<MatchId, Mark>,
}

/// What is known of a match's journal.
#[derive(Debug)]
struct Mark {
    epoch: Epoch,
    /// The number of its last snapshot.
    snapshot: u64,
    untrimmed: u32,
}

/// One journal's part of a write.
struct Part {
    id: MatchId,
    epoch: Epoch,
    tick: u32,
    values: Vec<Bytes>,
    /// How many entries before its end the last snapshot is, if there is one.
    snapshot: Option<u64>,
}

impl Writer {
    async fn run(mut self, mut inbox: mpsc::Receiver<News>) {
        let mut news = Vec::with_capacity(QUEUE_MAX);
        while inbox.recv_many(&mut news, QUEUE_MAX).await > 0 {
            let mut entries = Vec::new();
            for it in news.drain(..) {
                match it {
                    News::Entries(more) => entries.extend(more),
                    News::Covered(id, epoch) => {
                        for parts in packed(self.encode(std::mem::take(&mut entries))) {
                            self.write(parts).await;
                        }
                        self.remove_all(id, epoch).await;
                    }
                    News::Over(id, epoch) => {
                        if self.marks.remove(&id).is_some() {
                            let _ = self.sweeps.try_send(Sweep::Remove(journal_key(id, epoch)));
                        }
                    }
                }
            }
            for parts in packed(self.encode(entries)) {
                self.write(parts).await;
            }
        }
    }

    /// Removes what may be read of a match, before anything else is written.
    async fn remove_all(&mut self, id: MatchId, epoch: Epoch) {
        self.marks.remove(&id);
        for epoch in epochs_read(epoch) {
            if let Err(error) =
                bounded(self.parts.hot.journal_delete(&journal_key(id, epoch))).await
            {
                tracing::debug!(%id, %epoch, %error, "a journal stays until it vanishes by itself");
            }
        }
    }

    fn encode(&self, entries: Vec<Entry>) -> Vec<Part> {
        let mut parts = BTreeMap::<(MatchId, Epoch), Part>::new();
        for Entry { id, epoch, tick, what } in entries {
            let new = || Part { id, epoch, tick, values: Vec::new(), snapshot: None };
            let part = parts.entry((id, epoch)).or_insert_with(new);
            part.tick = tick;
            part.snapshot = match what {
                What::Snapshot(..) => Some(0),
                What::Confirmed(..) => part.snapshot.map(|it| it + 1),
            };
            part.values.push(encode(tick, what, &self.parts.config).into());
        }
        parts.into_values().collect()
    }

    async fn write(&mut self, parts: Vec<Part>) {
        let bytes: usize = parts.iter().flat_map(|it| &it.values).map(Bytes::len).sum();
        let entries: usize = parts.iter().map(|it| it.values.len()).sum();
        match self.append(&parts).await {
            Ok(lasts) => {
                self.parts.figures.journal_bytes.inc_by(bytes as u64);
                self.written(&parts, &lasts);
                self.tell(&parts).await;
            }
            Err(error) => {
                self.parts.figures.journal_lost.inc_by(entries as u64);
                tracing::warn!(
                    entries,
                    error = &error as &dyn std::error::Error,
                    "the hot state is away: a death now would cost more ticks"
                );
            }
        }
    }

    /// Appends, whatever is there already: what is there twice is read once.
    async fn append(&self, parts: &[Part]) -> Result<Vec<u64>, StoreError> {
        let append = |it: &Part| JournalAppend {
            journal: journal_key(it.id, it.epoch),
            after: None,
            entries: it.values.clone(),
            ttl: TTL,
        };
        let mut tries = 0;
        loop {
            let appends = parts.iter().map(append).collect();
            match self.parts.hot.journal_append(appends).await {
                Err(_) if tries + 1 < TRIES_MAX => {
                    tries += 1;
                    sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// Notes where snapshots are, and has removed what nobody will read.
    fn written(&mut self, parts: &[Part], lasts: &[u64]) {
        for (part, last) in parts.iter().zip(lasts) {
            let Some(behind) = part.snapshot else { continue };
            let (id, epoch) = (part.id, part.epoch);
            let number = last.saturating_sub(behind);
            let mark = self.marks.entry(id).or_insert(Mark { epoch, snapshot: 0, untrimmed: 0 });
            if mark.epoch != epoch || mark.snapshot == 0 {
                // Only now is there something better than what the owner before wrote.
                *mark = Mark { epoch, snapshot: number, untrimmed: 0 };
                if let Some(before) = epoch.0.checked_sub(1).filter(|it| *it > 0) {
                    let key = journal_key(id, Epoch(before));
                    let _ = self.sweeps.try_send(Sweep::Remove(key));
                }
                continue;
            }
            mark.untrimmed += 1;
            if mark.untrimmed >= TRIM_SNAPSHOTS {
                mark.untrimmed = 0;
                let through = mark.snapshot.saturating_sub(1);
                let _ = self.sweeps.try_send(Sweep::Trim(journal_key(id, epoch), through));
            }
            mark.snapshot = number;
        }
    }

    /// Tells the tick threads what is durable.
    async fn tell(&self, parts: &[Part]) {
        let shards = &self.parts.shards;
        let mut durable = vec![Vec::new(); shards.len()];
        for Part { id, epoch, tick, .. } in parts {
            durable[shard_of(*id, shards.len())].push((*id, *epoch, *tick));
        }
        for (shard, durable) in shards.iter().zip(durable) {
            if let (false, Some(shard)) = (durable.is_empty(), shard.upgrade()) {
                let _ = shard.send(Command::Journalled(durable)).await;
            }
        }
    }
}

/// Puts as much into each write as it may hold.
fn packed(parts: Vec<Part>) -> Vec<Vec<Part>> {
    let mut writes: Vec<(usize, usize, Vec<Part>)> = Vec::new();
    for part in parts {
        let bytes: usize = part.values.iter().map(Bytes::len).sum();
        let entries = part.values.len();
        match writes.last_mut() {
            Some((have, count, write))
                if *have + bytes <= WRITE_BYTES_MAX && *count + entries <= ENTRIES_MAX =>
            {
                (*have, *count) = (*have + bytes, *count + entries);
                write.push(part);
            }
            _ => writes.push((bytes, entries, vec![part])),
        }
    }
    writes.into_iter().map(|(_, _, write)| write).collect()
}

fn encode(tick: u32, what: What, config: &Config) -> Vec<u8> {
    let entry = match what {
        What::Snapshot(offered, carried) => {
            Wire::Snapshot(messages::snapshot(&offered, carried, config))
        }
        What::Confirmed(inputs, carried) => {
            Wire::Confirmed(messages::progress(tick, &inputs, carried))
        }
    };
    JournalEntry { entry: Some(entry) }.encode_to_vec()
}

async fn sweep(hot: Arc<dyn HotState>, mut line: mpsc::Receiver<Sweep>) {
    while let Some(sweep) = line.recv().await {
        let swept = match &sweep {
            Sweep::Trim(journal, through) => hot.journal_trim(journal, *through).await,
            Sweep::Remove(journal) => hot.journal_delete(journal).await,
        };
        if let Err(error) = swept {
            tracing::debug!(?sweep, %error, "a journal stays until it vanishes by itself");
        }
    }
}
