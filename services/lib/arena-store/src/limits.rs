//! The bounds of every request. All adapters keep them, so code that works on one works on all.

use std::time::Duration;

/// Longest key, in bytes: keys are read by people and sent with every event.
pub const KEY_BYTES_MAX: usize = 512;
/// Largest value, in bytes: a quarter of the mesh's message limit, below etcd's 1.5 MiB request.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Most conditions of one transaction (etcd's `--max-txn-ops` is 128 for both together).
pub const COMPARES_MAX: usize = 64;
/// Most changes of one transaction.
pub const CHANGES_MAX: usize = 64;
/// Most bytes of values in one transaction or one append: half the mesh's message limit.
pub const WRITE_BYTES_MAX: usize = 2 << 20;
/// Shortest lease: below it a late keep-alive is likelier than a death.
pub const LEASE_TTL_MIN: Duration = Duration::from_millis(500);
/// Longest lease: a forgotten one must end the same day.
pub const LEASE_TTL_MAX: Duration = Duration::from_hours(24);
/// Longest time to live of a hot value: 30 days, the longest refresh token.
pub const TTL_MAX: Duration = Duration::from_hours(30 * 24);
/// Most entries of one append, one read, one acknowledgement.
pub const ENTRIES_MAX: usize = 1_000;
/// A read stops after the entry that passes this many bytes: half the mesh's message limit.
pub const READ_BYTES_MAX: usize = 2 << 20;
/// Most analytics events of one append.
pub const EVENTS_MAX: usize = 1_000;
/// Most rows of one page of history, bans, sessions.
pub const PAGE_MAX: usize = 200;
/// Largest score of a leaderboard, either sign: Redis keeps scores as doubles, exact to 2⁵³.
pub const SCORE_MAX: i64 = 1 << 53;
/// Longest wait of one stream read; a caller that wants more reads again.
pub const STREAM_WAIT_MAX: Duration = Duration::from_secs(10);
/// Largest object, in bytes: a replay of an hour is below 20 MiB; objects pass through memory.
pub const OBJECT_BYTES_MAX: usize = 64 << 20;
/// Longest name of a player, in characters.
pub const NAME_CHARS_MAX: usize = 32;
/// Largest profile document, in bytes.
pub const PROFILE_BYTES_MAX: usize = 64 << 10;
