//! Hot state on `hot.db`, journals on `journals.db`; rate limits and presence in memory.

mod boards;
mod claims;
mod journals;
mod presence;
mod rates;
mod streams;
mod sweep;
mod values;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arena_store::limits::ENTRIES_MAX;
use arena_store::{
    BoardEntry, BoardWrite, Delivery, EntryId, Expected, HotState, JournalAppend, JournalEntry,
    Pending, Permit, Present, RateLimit, Score, StoreError, Swap, Version, Versioned, check_key,
    check_ttl, check_value,
};
use async_trait::async_trait;
use bytes::Bytes;
use sqlx::sqlite::SqliteSynchronous;
use tokio::task::JoinHandle;

use crate::OpenError;
use crate::clock::Clock;
use crate::database::{Database, Kind};
use journals::Journals;
use presence::Presence;
use rates::Rates;
use streams::Streams;

/// Hot state of one process.
#[derive(Debug)]
pub(crate) struct EmbeddedHot {
    database: Database,
    clock: Clock,
    journals: Journals,
    rates: Rates,
    presence: Presence,
    streams: Streams,
}

impl EmbeddedHot {
    /// Opens it, and starts the tasks that write and the one that removes what has ended.
    pub(crate) async fn open(
        folder: &Path,
        bytes_max: Option<u64>,
    ) -> Result<(Arc<Self>, [JoinHandle<()>; 2], JoinHandle<()>), OpenError> {
        let kind = Kind {
            file: "hot.db",
            schema: &[("hot", include_str!("../migrations/hot/0001_hot.sql"))],
            synchronous: SqliteSynchronous::Full,
        };
        let (database, writer) = Database::open(folder, kind, bytes_max).await?;
        let clock = Clock::start();
        let (journals, journals_writer) = Journals::open(folder, bytes_max, clock).await?;
        let hot = Arc::new(Self {
            database,
            clock,
            journals,
            rates: Rates::default(),
            presence: Presence::default(),
            streams: Streams::default(),
        });
        let sweeper = tokio::spawn(sweep::run(Arc::downgrade(&hot)));
        Ok((hot, [writer, journals_writer], sweeper))
    }
}

/// Checks how many entries are asked for at once.
fn check_count(count: usize) -> Result<i64, StoreError> {
    if count > ENTRIES_MAX {
        let reason = format!("{count} entries at once, at most {ENTRIES_MAX} are allowed");
        return Err(StoreError::invalid("count", reason));
    }
    Ok(count as i64)
}

#[async_trait]
impl HotState for EmbeddedHot {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        check_key(key)?;
        let mut reader = self.database.read(self.database.readers.acquire().await)?;
        self.database.read(values::read(&mut reader, key, self.clock.now_ms()).await)
    }

    async fn set(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Version, StoreError> {
        check_key(key)?;
        check_value(&value)?;
        check_ttl(ttl)?;
        let write = values::Write::new(key, value, ttl.map(|it| self.clock.end_ms(it)));
        self.database
            .writer
            .write(move |connection| Box::pin(async move { write.run(connection).await }))
            .await
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Expected,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Swap, StoreError> {
        check_key(key)?;
        check_value(&value)?;
        check_ttl(ttl)?;
        let now_ms = self.clock.now_ms();
        let write = values::Write::new(key, value, ttl.map(|it| self.clock.end_ms(it)));
        self.database
            .writer
            .write(move |connection| {
                Box::pin(async move { write.run_over(connection, expected, now_ms).await })
            })
            .await
    }

    async fn delete(&self, key: &str) -> Result<bool, StoreError> {
        check_key(key)?;
        let (key, now_ms) = (key.to_owned(), self.clock.now_ms());
        self.database
            .writer
            .write(move |connection| {
                Box::pin(async move { values::delete(connection, &key, now_ms).await })
            })
            .await
    }

    async fn add(&self, counter: &str, by: i64, ttl: Option<Duration>) -> Result<i64, StoreError> {
        check_key(counter)?;
        check_ttl(ttl)?;
        let (counter, now_ms) = (counter.to_owned(), self.clock.now_ms());
        let end_ms = ttl.map(|it| self.clock.end_ms(it));
        self.database
            .writer
            .write(move |connection| {
                Box::pin(async move { values::add(connection, &counter, by, now_ms, end_ms).await })
            })
            .await
    }

    async fn take(&self, key: &str, limit: RateLimit, units: u32) -> Result<Permit, StoreError> {
        check_key(key)?;
        self.rates.take(key, limit, units)
    }

    async fn board_write(
        &self,
        board: &str,
        how: BoardWrite,
        scores: Vec<(String, Score)>,
    ) -> Result<Vec<Score>, StoreError> {
        check_key(board)?;
        check_count(scores.len())?;
        scores.iter().try_for_each(|(member, _)| check_key(member))?;
        let board = board.to_owned();
        self.database
            .writer
            .write(move |connection| {
                Box::pin(async move { boards::write(connection, &board, how, scores).await })
            })
            .await
    }

    async fn board_remove(&self, board: &str, member: &str) -> Result<bool, StoreError> {
        check_key(board)?;
        check_key(member)?;
        let (board, member) = (board.to_owned(), member.to_owned());
        self.database
            .writer
            .write(move |connection| {
                Box::pin(async move { boards::remove(connection, &board, &member).await })
            })
            .await
    }

    async fn board_rank(
        &self,
        board: &str,
        member: &str,
    ) -> Result<Option<BoardEntry>, StoreError> {
        check_key(board)?;
        check_key(member)?;
        let mut reader = self.database.read(self.database.readers.begin().await)?;
        self.database.read(boards::rank(&mut reader, board, member).await)
    }

    async fn board_range(
        &self,
        board: &str,
        first: u64,
        count: usize,
    ) -> Result<Vec<BoardEntry>, StoreError> {
        check_key(board)?;
        let count = check_count(count)?;
        let mut reader = self.database.read(self.database.readers.acquire().await)?;
        self.database.read(boards::range(&mut reader, board, first, count).await)
    }

    async fn board_around(
        &self,
        board: &str,
        member: &str,
        radius: usize,
    ) -> Result<Vec<BoardEntry>, StoreError> {
        check_key(board)?;
        check_key(member)?;
        check_count(radius.saturating_mul(2))?;
        let mut reader = self.database.read(self.database.readers.begin().await)?;
        self.database.read(boards::around(&mut reader, board, member, radius as u64).await)
    }

    async fn journal_append(&self, appends: Vec<JournalAppend>) -> Result<Vec<u64>, StoreError> {
        self.journals.append(appends).await
    }

    async fn journal_read(
        &self,
        journal: &str,
        after: u64,
        count: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        self.journals.read(journal, after, check_count(count)?).await
    }

    async fn journal_trim(&self, journal: &str, through: u64) -> Result<(), StoreError> {
        self.journals.trim(journal, through).await
    }

    async fn journal_delete(&self, journal: &str) -> Result<(), StoreError> {
        self.journals.delete(journal).await
    }

    async fn stream_add(
        &self,
        stream: &str,
        value: Bytes,
        keep: u64,
    ) -> Result<EntryId, StoreError> {
        check_key(stream)?;
        check_value(&value)?;
        self.streams.add(&self.database, stream, value, keep).await
    }

    async fn stream_read(
        &self,
        stream: &str,
        group: &str,
        consumer: &str,
        count: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        let reader = streams::Consumer::check(stream, group, consumer, check_count(count)?)?;
        self.streams.read(&self.database, self.clock, &reader, wait).await
    }

    async fn stream_ack(
        &self,
        stream: &str,
        group: &str,
        ids: Vec<EntryId>,
    ) -> Result<u64, StoreError> {
        check_key(stream)?;
        check_key(group)?;
        check_count(ids.len())?;
        let numbers = claims::numbers(&ids)?;
        let (stream, group) = (stream.to_owned(), group.to_owned());
        self.database
            .writer
            .write(move |connection| {
                Box::pin(
                    async move { claims::acknowledge(connection, &stream, &group, &numbers).await },
                )
            })
            .await
    }

    async fn stream_pending(
        &self,
        stream: &str,
        group: &str,
        count: usize,
    ) -> Result<Vec<Pending>, StoreError> {
        check_key(stream)?;
        check_key(group)?;
        let (count, now_ms) = (check_count(count)?, self.clock.now_ms());
        let mut reader = self.database.read(self.database.readers.acquire().await)?;
        self.database.read(claims::pending(&mut reader, stream, group, count, now_ms).await)
    }

    async fn stream_claim(
        &self,
        stream: &str,
        group: &str,
        consumer: &str,
        min_idle: Duration,
        count: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let claimer = streams::Consumer::check(stream, group, consumer, check_count(count)?)?;
        let now_ms = self.clock.now_ms();
        let idle_ms = i64::try_from(min_idle.as_millis()).unwrap_or(i64::MAX);
        let before_ms = now_ms.saturating_sub(idle_ms);
        self.database
            .writer
            .write(move |connection| {
                Box::pin(
                    async move { claims::claim(connection, &claimer, before_ms, now_ms).await },
                )
            })
            .await
    }

    async fn presence_set(
        &self,
        place: &str,
        member: &str,
        value: Bytes,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        check_key(place)?;
        check_key(member)?;
        check_value(&value)?;
        check_ttl(Some(ttl))?;
        self.presence.set(place, member, value, ttl)
    }

    async fn presence_clear(&self, place: &str, member: &str) -> Result<(), StoreError> {
        self.presence.clear(place, member);
        Ok(())
    }

    async fn presence_list(&self, place: &str) -> Result<Vec<Present>, StoreError> {
        check_key(place)?;
        Ok(self.presence.list(place))
    }
}
