//! What the registry holds about matches and tickets.

use arena_types::{Epoch, InstanceId, MatchId, PartyCode, PlayerId, ReleaseId, TicketId};
use serde::{Deserialize, Serialize};

/// Prefix of all tickets that have a match or were cancelled.
pub(crate) const TICKETS: &str = "ticket/";

/// What `match/<id>` holds: who may confirm its inputs and publish its frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchRecord {
    /// The instance that hosts it.
    pub owner: InstanceId,
    /// Counts its owners; it never falls.
    pub epoch: Epoch,
    /// The owner's release.
    pub release: ReleaseId,
    /// The version of the rules it is played by.
    pub rules_version: u32,
    /// The seed of its world.
    pub seed: u32,
    /// Its mode.
    pub mode: String,
    /// Who plays, by seat.
    pub players: Vec<Seated>,
    /// The tickets it was made of.
    pub tickets: Vec<TicketId>,
    /// When it was made, Unix milliseconds.
    pub created_ms: u64,
    /// Whether its owner has it. Until then it may change owner or vanish, and nobody is told.
    pub ready: bool,
}

/// A player of a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seated {
    /// The player.
    pub player: PlayerId,
    /// The name others see.
    pub name: String,
    /// Index in the match, 0 to 15.
    pub seat: u8,
}

/// What `ticket/<id>` holds: the one thing that became of it. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketRecord {
    /// Its match; `None` if it was cancelled.
    #[serde(rename = "match")]
    pub match_id: Option<MatchId>,
}

/// Returns the key of a match.
#[must_use]
pub fn match_key(id: MatchId) -> String {
    format!("match/{id}")
}

/// Returns the key of what became of a ticket.
#[must_use]
pub fn ticket_key(id: TicketId) -> String {
    format!("{TICKETS}{id}")
}

/// Returns the key of a party.
#[must_use]
pub fn party_key(code: &PartyCode) -> String {
    format!("party/{code}")
}

/// Returns the key that says which party queued a ticket. A code has no `/`, so that a watch of a
/// party never sees it.
pub(crate) fn party_of_key(ticket: TicketId) -> String {
    format!("party/of/{ticket}")
}

/// Returns the JSON of a record.
pub(crate) fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record is plain data")
}

/// Reads a record.
///
/// # Errors
/// [`arena_store::StoreError::Corrupt`] if it is none.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(
    key: &str,
    value: &[u8],
) -> Result<T, arena_store::StoreError> {
    serde_json::from_slice(value).map_err(|error| arena_store::StoreError::Corrupt {
        what: key.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_the_documented_json() {
        let match_id = MatchId::from_u64(1);
        let record = MatchRecord {
            owner: "game-r2-0".parse().unwrap(),
            epoch: Epoch::FIRST,
            release: ReleaseId(2),
            rules_version: 3,
            seed: 4,
            mode: "arena".to_owned(),
            players: vec![Seated {
                player: PlayerId::from_u64(5),
                name: "Ann".to_owned(),
                seat: 0,
            }],
            tickets: vec![TicketId::from_u64(6)],
            created_ms: 7,
            ready: true,
        };
        let text = String::from_utf8(json(&record)).unwrap();
        expect_test::expect![[r#"{"owner":"game-r2-0","epoch":1,"release":"r2","rules_version":3,"seed":4,"mode":"arena","players":[{"player":"0000000000005","name":"Ann","seat":0}],"tickets":["0000000000006"],"created_ms":7,"ready":true}"#]]
            .assert_eq(&text);
        assert_eq!(parse::<MatchRecord>("match/1", text.as_bytes()).unwrap(), record);
        let ticket = TicketRecord { match_id: Some(match_id) };
        assert_eq!(json(&ticket), br#"{"match":"0000000000001"}"#);
        assert!(parse::<TicketRecord>("ticket/1", b"{").is_err());
    }
}
