//! What a player's matches add up to, inside the profile document.

use arena_types::MatchId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The document's key that belongs to this service; others are left as they are.
const KEY: &str = "totals";
/// Matches remembered as counted. A result is sent again until it is acknowledged, one instance's
/// results in order, so a repeat is never this far behind.
const COUNTED_MAX: usize = 64;

/// The sums over all of a player's matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Matches played to their end or left.
    pub matches: u32,
    /// Matches won, draws included.
    pub wins: u32,
    /// Kills.
    pub kills: u32,
    /// Deaths.
    pub deaths: u32,
    /// The matches counted last.
    counted: Vec<MatchId>,
}

impl Totals {
    /// Returns the totals in a profile document, none if it has none or cannot be read.
    #[must_use]
    pub fn of(document: &[u8]) -> Self {
        let document = serde_json::from_slice::<Value>(document).unwrap_or_default();
        serde_json::from_value(document[KEY].clone()).unwrap_or_default()
    }

    /// Counts a match, and says whether it had not been counted before.
    pub fn count(&mut self, id: MatchId, won: bool, kills: u32, deaths: u32) -> bool {
        if self.counted.contains(&id) {
            return false;
        }
        self.matches = self.matches.saturating_add(1);
        self.wins = self.wins.saturating_add(u32::from(won));
        self.kills = self.kills.saturating_add(kills);
        self.deaths = self.deaths.saturating_add(deaths);
        self.counted.push(id);
        let forgotten = self.counted.len().saturating_sub(COUNTED_MAX);
        self.counted.drain(..forgotten);
        true
    }

    /// Returns `document` with these totals in it.
    #[must_use]
    pub fn written_to(&self, document: &[u8]) -> Vec<u8> {
        let mut map: Map<String, Value> = serde_json::from_slice(document).unwrap_or_default();
        map.insert(KEY.to_owned(), serde_json::to_value(self).unwrap_or_default());
        Value::Object(map).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_counts_once_and_foreign_keys_stay() {
        let document = br#"{"hat":"red"}"#;
        let mut totals = Totals::of(document);
        assert_eq!(totals, Totals::default());
        assert!(totals.count(MatchId::from_u64(1), true, 5, 2));
        assert!(!totals.count(MatchId::from_u64(1), true, 5, 2));
        let written = totals.written_to(document);
        assert_eq!(Totals::of(&written), totals);
        let value: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!((&value["hat"], &value["totals"]["kills"]), (&"red".into(), &5.into()));
    }

    #[test]
    fn only_so_many_matches_are_remembered() {
        let mut totals = Totals::default();
        for id in 0..200 {
            assert!(totals.count(MatchId::from_u64(id), false, 1, 1));
        }
        assert_eq!((totals.matches, totals.counted.len()), (200, COUNTED_MAX));
        assert!(!totals.count(MatchId::from_u64(199), false, 1, 1));
    }

    #[test]
    fn a_document_that_cannot_be_read_is_replaced() {
        for document in [&b""[..], b"[1]", b"\xff", br#"{"totals": 7}"#] {
            let mut totals = Totals::of(document);
            assert!(totals.count(MatchId::from_u64(1), true, 1, 1));
            assert_eq!(Totals::of(&totals.written_to(document)).wins, 1);
        }
    }
}
