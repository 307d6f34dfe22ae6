//! What the registry holds about tickets and parties.

use arena_types::{MatchId, PartyCode, TicketId};
use serde::{Deserialize, Serialize};

/// Prefix of all tickets that have a match or were cancelled.
pub(crate) const TICKETS: &str = "ticket/";

/// What `ticket/<id>` holds: the one thing that became of it. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketRecord {
    /// Its match; `None` if it was cancelled.
    #[serde(rename = "match")]
    pub match_id: Option<MatchId>,
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
        let ticket = TicketRecord { match_id: Some(match_id) };
        assert_eq!(json(&ticket), br#"{"match":"0000000000001"}"#);
        assert!(parse::<TicketRecord>("ticket/1", b"{").is_err());
    }
}
