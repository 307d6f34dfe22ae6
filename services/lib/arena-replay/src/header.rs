//! What a replay says of its match before the first tick.
use arena_sdk::{PinnedRules, TICK_RATE_HZ};

use crate::error::Fault;
use crate::limits::{CADENCE_TICKS_MAX, PLAYERS_MAX, TICK_RATE_HZ_MAX};

/// What a match was, and all it started from. The first message of a file.
///
/// Fields are only ever added; a reader skips those it does not know.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Header {
    /// The release that wrote the file: `r42`.
    #[prost(string, tag = "1")]
    pub release: String,
    /// The game that wrote it: `arena`.
    #[prost(string, tag = "2")]
    pub game: String,
    /// The schema of the game's state; other schemas cannot play the match again.
    #[prost(uint32, tag = "3")]
    pub schema: u32,
    /// The version of the rules.
    #[prost(uint32, tag = "4")]
    pub rules_version: u32,
    /// The hash of the rules; other rules cannot play the match again.
    #[prost(fixed64, tag = "5")]
    pub rules_hash: u64,
    /// The whole document of the rules, standard values included, as JSON.
    #[prost(string, tag = "6")]
    pub rules: String,
    /// The map's name, `custom` for one of the rules' own.
    #[prost(string, tag = "7")]
    pub map: String,
    /// The seed of the match.
    #[prost(uint32, tag = "8")]
    pub seed: u32,
    /// Ticks a second, 1 to 1000.
    #[prost(uint32, tag = "9")]
    pub tick_rate_hz: u32,
    /// Who was expected when the match began. Who comes later is an [`Event`](crate::Event).
    #[prost(message, repeated, tag = "10")]
    pub players: Vec<Player>,
    /// When the match began, milliseconds since 1970.
    #[prost(uint64, tag = "11")]
    pub started_ms: u64,
    /// The match.
    #[prost(string, tag = "12")]
    pub match_id: String,
    /// The owner's epoch; each owner of a match writes a file of its own.
    #[prost(uint64, tag = "13")]
    pub epoch: u64,
    /// The match, or cut, that this one goes on from; empty for none.
    #[prost(string, tag = "14")]
    pub parent_match: String,
    /// The tick of the first inputs. 0: the match starts from seed and rules; else the first chunk is
    /// a keyframe.
    #[prost(uint32, tag = "15")]
    pub first_tick: u32,
    /// State hashes are of every tick that this divides, 1 to 36000.
    #[prost(uint32, tag = "16")]
    pub hash_ticks: u32,
    /// Keyframes are of every tick that this divides, 1 to 36000; others may be among them.
    #[prost(uint32, tag = "17")]
    pub keyframe_ticks: u32,
}

/// Somebody in a seat.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Player {
    /// The seat.
    #[prost(uint32, tag = "1")]
    pub seat: u32,
    /// The player's id; empty for a bot.
    #[prost(string, tag = "2")]
    pub id: String,
    /// What was shown to others.
    #[prost(string, tag = "3")]
    pub name: String,
}

impl Header {
    /// Ticks from one state hash to the next, unless a game has reasons of its own.
    pub const HASH_TICKS: u32 = 60;
    /// Ticks from one keyframe to the next: a seek simulates ten seconds at most.
    pub const KEYFRAME_TICKS: u32 = 600;

    /// Returns the header of a match with these rules; the schema of its states, who plays, when and where
    /// is for the caller to fill in.
    #[must_use]
    pub fn of(rules: &PinnedRules, seed: u32) -> Self {
        let document: serde_json::Value =
            serde_json::from_str(rules.document()).unwrap_or_default();
        Self {
            game: rules.game().to_owned(),
            rules_version: rules.version(),
            rules_hash: rules.hash(),
            map: document["map"].as_str().unwrap_or("custom").to_owned(),
            rules: rules.document().to_owned(),
            seed,
            tick_rate_hz: TICK_RATE_HZ,
            hash_ticks: Self::HASH_TICKS,
            keyframe_ticks: Self::KEYFRAME_TICKS,
            ..Self::default()
        }
    }

    /// Finds what no replay can have.
    ///
    /// # Errors
    /// [`Fault::Value`].
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let within = |what, value: u32, max| match value {
            1.. if value <= max => Ok(()),
            _ => Err(Fault::Value { what, value: u64::from(value) }),
        };
        within("tick rate", self.tick_rate_hz, TICK_RATE_HZ_MAX)?;
        within("ticks between hashes", self.hash_ticks, CADENCE_TICKS_MAX)?;
        within("ticks between keyframes", self.keyframe_ticks, CADENCE_TICKS_MAX)?;
        if self.players.len() > PLAYERS_MAX {
            let value = self.players.len() as u64;
            return Err(Fault::Value { what: "number of players", value });
        }
        Ok(())
    }
}
