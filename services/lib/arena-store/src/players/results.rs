//! What became of matches, and what players are worth.

use arena_types::{MatchId, PlayerId, Region, ReleaseId};

/// A player's rating in a mode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RatingKey {
    /// Whose.
    pub player: PlayerId,
    /// In which mode.
    pub mode: String,
}

/// A rating; its meaning is the rating system's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// The estimate.
    pub value: f64,
    /// Its uncertainty.
    pub deviation: f64,
    /// How much it swings (Glicko-2); 0 for systems without it.
    pub volatility: f64,
    /// Rated matches so far.
    pub matches: u32,
    /// When it last changed, Unix milliseconds.
    pub updated_ms: u64,
    /// Counts its writes, from 1.
    pub version: u64,
}

/// A rating computed from the one before.
#[derive(Clone, Debug, PartialEq)]
pub struct RatingUpdate {
    /// Whose, in which mode.
    pub key: RatingKey,
    /// The version it was computed from; 0: there was none.
    pub expected: u64,
    /// The new estimate.
    pub value: f64,
    /// Its uncertainty.
    pub deviation: f64,
    /// How much it swings.
    pub volatility: f64,
}

/// What a match came to for one player.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayerResult {
    /// Who.
    pub player: PlayerId,
    /// Their name then.
    pub name: String,
    /// Place, from 1; equal scores share one.
    pub placement: u32,
    /// Score.
    pub score: i64,
    /// Hits that took the last life of another.
    pub kills: u32,
    /// Lives lost.
    pub deaths: u32,
    /// What the rating went up by; 0 until it is rated.
    pub rating_change: f64,
}

/// What a match came to. Bots are counted, not listed.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchResult {
    /// The match.
    pub id: MatchId,
    /// Its mode.
    pub mode: String,
    /// Where it ran.
    pub region: Region,
    /// The release that ended it.
    pub release: ReleaseId,
    /// The rules it was played by.
    pub rules_version: u32,
    /// Its seed; with rules and inputs it can be played again.
    pub seed: u64,
    /// When its first tick was.
    pub started_ms: u64,
    /// When its last tick was.
    pub ended_ms: u64,
    /// Seats played by bots.
    pub bots: u32,
    /// The players, best first.
    pub players: Vec<PlayerResult>,
    /// Where its replay lies among the objects.
    pub replay: Option<String>,
}

/// Whether a result was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is written now.
    New,
    /// It was written before; nothing changed.
    Before,
}

/// A place in a player's history: the last match of the page before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryCursor {
    /// When that match ended.
    pub ended_ms: u64,
    /// That match.
    pub id: MatchId,
}
