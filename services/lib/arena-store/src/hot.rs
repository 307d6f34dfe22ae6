//! Hot state: many small writes a second, each with a bounded life. Redis's data model.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::StoreError;

/// Grows with every write of a hot value; never used twice for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// A hot value with the version to compare against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The value.
    pub value: Bytes,
    /// The write that made it.
    pub version: Version,
}

/// What a compare-and-set expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Absent,
    /// The value of this write.
    Version(Version),
}

/// What became of a compare-and-set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// It was written.
    Swapped(Version),
    /// Something else was there; nothing changed.
    Refused(Option<Versioned>),
}

/// A rate: `burst` units at once, one more every `interval` (GCRA, ITU-T I.371).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Units that can be taken at once, at least 1.
    pub burst: u32,
    /// Time in which one unit comes back, above zero.
    pub interval: Duration,
}

/// Whether the units were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// They were.
    Granted {
        /// Units left now.
        remaining: u32,
    },
    /// Too few are left; none were taken.
    Refused {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// A leaderboard's unit, within ±[`SCORE_MAX`](crate::limits::SCORE_MAX).
pub type Score = i64;

/// How a score is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoardWrite {
    /// Replaces what is there.
    Set,
    /// Keeps the higher.
    Best,
    /// Adds to what is there, from 0.
    Add,
}

/// A line of a leaderboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardEntry {
    /// Who.
    pub member: String,
    /// How much.
    pub score: Score,
    /// Place, from 0; the highest score first, equal scores by member.
    pub rank: u64,
}

/// Entries to append to one journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalAppend {
    /// The journal.
    pub journal: String,
    /// The number the last entry must have (0: the journal must be empty), or `None` to append
    /// whatever is there. With it, a repeated append is refused instead of doubled.
    pub after: Option<u64>,
    /// The entries, in order.
    pub entries: Vec<Bytes>,
    /// The whole journal vanishes this long after its last append.
    pub ttl: Duration,
}

/// An entry of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// Its bytes.
    pub value: Bytes,
}

/// Names an entry of a stream; opaque.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub String);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stream's entry, handed to a consumer until it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Names it for the acknowledgement.
    pub id: EntryId,
    /// Its bytes.
    pub value: Bytes,
    /// How often it was handed out in this group, from 1.
    pub deliveries: u32,
}

/// An entry that was handed out and not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The entry.
    pub id: EntryId,
    /// Who has it.
    pub consumer: String,
    /// Time since it was handed out.
    pub idle: Duration,
    /// How often it was handed out, from 1.
    pub deliveries: u32,
}

/// Somebody who is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Who.
    pub member: String,
    /// What they said of themselves.
    pub value: Bytes,
}

/// Values, counters, rate limits, leaderboards, journals, streams and presence.
///
/// Nothing here decides ownership: a replica may lose a compare-and-set when its primary dies.
///
/// # Errors
/// All methods: [`StoreError::Unavailable`], [`StoreError::Uncertain`] (writes),
/// [`StoreError::Invalid`] beyond [`limits`](crate::limits), [`StoreError::Full`],
/// [`StoreError::Corrupt`], [`StoreError::Denied`]; others where they are named.
#[async_trait]
pub trait HotState: Send + Sync + 'static {
    /// Reads a value that has not ended.
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError>;

    /// Writes a value, whatever was there, for `ttl` or until it is deleted.
    async fn set(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Version, StoreError>;

    /// Writes a value if `expected` is there.
    async fn compare_and_set(
        &self,
        key: &str,
        expected: Expected,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Swap, StoreError>;

    /// Removes a value, and tells whether there was one.
    async fn delete(&self, key: &str) -> Result<bool, StoreError>;

    /// Adds to a counter, from 0, and returns the sum; `ttl` counts from the first addition.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the sum passes 64 bits; the counter is unchanged.
    async fn add(&self, counter: &str, by: i64, ttl: Option<Duration>) -> Result<i64, StoreError>;

    /// Takes `units` from a rate limit, all or none. May be forgotten by a restart.
    async fn take(&self, key: &str, limit: RateLimit, units: u32) -> Result<Permit, StoreError>;

    /// Writes scores, and returns them as they are now, in the order given.
    async fn board_write(
        &self,
        board: &str,
        how: BoardWrite,
        scores: Vec<(String, Score)>,
    ) -> Result<Vec<Score>, StoreError>;

    /// Removes a member, and tells whether it was there.
    async fn board_remove(&self, board: &str, member: &str) -> Result<bool, StoreError>;

    /// Returns a member's line.
    async fn board_rank(&self, board: &str, member: &str)
    -> Result<Option<BoardEntry>, StoreError>;

    /// Returns up to `count` lines from rank `first` on.
    async fn board_range(
        &self,
        board: &str,
        first: u64,
        count: usize,
    ) -> Result<Vec<BoardEntry>, StoreError>;

    /// Returns a member's line with up to `radius` lines above and below; empty without it.
    async fn board_around(
        &self,
        board: &str,
        member: &str,
        radius: usize,
    ) -> Result<Vec<BoardEntry>, StoreError>;

    /// Appends to several journals, all or none, and returns the number of each one's last entry.
    ///
    /// What was appended survives a crash of the store. A crash of its machine may take the newest
    /// appends, trims and deletes of all journals with it, those of some moment on and each as a
    /// whole: a journal is there for the death of who writes it, and no append waits for a disk.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with the journal whose last entry is not the expected one.
    async fn journal_append(&self, appends: Vec<JournalAppend>) -> Result<Vec<u64>, StoreError>;

    /// Reads up to `count` entries after number `after`, fewer once
    /// [`READ_BYTES_MAX`](crate::limits::READ_BYTES_MAX) are passed.
    async fn journal_read(
        &self,
        journal: &str,
        after: u64,
        count: usize,
    ) -> Result<Vec<JournalEntry>, StoreError>;

    /// Forgets all entries up to `through`; numbers go on from where they were. As durable as an append.
    async fn journal_trim(&self, journal: &str, through: u64) -> Result<(), StoreError>;

    /// Removes a journal; its numbers start again. As durable as an append.
    async fn journal_delete(&self, journal: &str) -> Result<(), StoreError>;

    /// Appends to a stream and forgets its oldest entries beyond `keep`, acknowledged or not.
    async fn stream_add(
        &self,
        stream: &str,
        value: Bytes,
        keep: u64,
    ) -> Result<EntryId, StoreError>;

    /// Hands out up to `count` entries that `group` has not seen, fewer once
    /// [`READ_BYTES_MAX`](crate::limits::READ_BYTES_MAX) are passed; waits up to `wait` for the
    /// first. A group begins at the stream's oldest entry.
    async fn stream_read(
        &self,
        stream: &str,
        group: &str,
        consumer: &str,
        count: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Acknowledges entries, and returns how many of them were pending.
    async fn stream_ack(
        &self,
        stream: &str,
        group: &str,
        ids: Vec<EntryId>,
    ) -> Result<u64, StoreError>;

    /// Returns up to `count` entries handed out and not acknowledged, oldest first.
    async fn stream_pending(
        &self,
        stream: &str,
        group: &str,
        count: usize,
    ) -> Result<Vec<Pending>, StoreError>;

    /// Hands `consumer` up to `count` entries that somebody has had for `min_idle` or longer, as
    /// many bytes at most as a read.
    async fn stream_claim(
        &self,
        stream: &str,
        group: &str,
        consumer: &str,
        min_idle: Duration,
        count: usize,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Says that `member` is in `place` for the next `ttl`. May be forgotten by a restart.
    async fn presence_set(
        &self,
        place: &str,
        member: &str,
        value: Bytes,
        ttl: Duration,
    ) -> Result<(), StoreError>;

    /// Says that `member` has left.
    async fn presence_clear(&self, place: &str, member: &str) -> Result<(), StoreError>;

    /// Returns who is in `place`, by member.
    async fn presence_list(&self, place: &str) -> Result<Vec<Present>, StoreError>;
}
