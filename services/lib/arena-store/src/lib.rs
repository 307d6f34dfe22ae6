//! The storage ports: what Arena asks of its stores, without naming one.
//!
//! | port | holds |
//! |---|---|
//! | [`Registry`] | instance leases, match ownership, traffic weights, rules, flags; watched |
//! | [`HotState`] | journals, snapshots, resume tokens, presence, rate limits, leaderboards, streams |
//! | [`PlayerStore`] | accounts, credentials, sessions, bans, ratings, profiles, match results |
//! | [`Analytics`] | events in batches |
//! | [`Objects`] | replays, backups |
//!
//! An adapter is a crate `arena-store-<engine>`; only a `main.rs` names one. Every adapter runs
//! the functions of `conformance` (feature `conformance`) on a real store.
//!
//! What an `Ok` of a write means: it survives a crash of the store and of its machine, unless the
//! method's own page says that it may be forgotten (rate limits and presence may), or by a crash of the
//! machine alone (journals may).

mod analytics;
mod error;
mod hot;
mod key;
pub mod limits;
mod objects;
mod players;
mod registry;
mod stores;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use analytics::{Analytics, AnalyticsEvent, Bucket, EventFilter};
pub use error::StoreError;
pub use hot::{
    BoardEntry, BoardWrite, Delivery, EntryId, Expected, HotState, JournalAppend, JournalEntry,
    Pending, Permit, Present, RateLimit, Score, Swap, Version, Versioned,
};
pub use key::{check_key, check_name, check_prefix, check_ttl, check_value};
pub use objects::{Object, ObjectMeta, Objects, PutMode, check_path};
pub use players::{
    Account, Ban, BanSubject, Credential, CredentialKey, HistoryCursor, MatchResult, NewSession,
    PlayerResult, PlayerStore, Profile, Rating, RatingKey, RatingUpdate, Recorded, Rotation,
    Session, SessionEnd, TokenHash,
};
pub use registry::{
    Change, Changes, Compare, Condition, Entry, Event, LeaseId, Listing, Registry, Revision,
    Transaction, TransactionOutcome, Watch, check_lease_ttl,
};
pub use stores::Stores;
