//! What is kept of a session in `HotState` under `session/<id>`, for any gateway to go on with.

use arena_types::{Epoch, InstanceId, MatchId, PartyCode, PlayerId, SessionId, TicketId};
use serde::{Deserialize, Serialize};

/// A session at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The session.
    pub session: SessionId,
    /// Its player.
    pub player: PlayerId,
    /// The player's name.
    pub name: String,
    /// The epoch of the access token it was opened with.
    pub token_epoch: u64,
    /// Connections the session had before the one that wrote this.
    #[serde(default)]
    pub connection: u32,
    /// The party the player is in.
    pub party: Option<PartyCode>,
    /// What the session was doing.
    pub activity: Activity,
}

/// What a session does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// Nothing.
    Lobby,
    /// It waits for a match.
    Queued(Waiting),
    /// It has a seat.
    Match(Seat),
}

/// A ticket that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The ticket.
    pub ticket: TicketId,
    /// The game mode.
    pub mode: String,
    /// Milliseconds it had waited when this was written.
    pub waited_ms: u64,
    /// Everyone it stands for.
    pub members: Vec<(PlayerId, String)>,
}

/// A seat in a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The match.
    pub match_id: MatchId,
    /// Its owner when this was written.
    pub owner: InstanceId,
    /// The owner's epoch.
    pub epoch: Epoch,
    /// Index of the player in the match.
    pub seat: u8,
    /// Proves to the game that the player has this seat.
    pub route_token: Vec<u8>,
}

/// Returns the key of a session's record.
#[must_use]
pub fn key(session: SessionId) -> String {
    format!("session/{session}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_old_gateways_refuse_what_they_do_not_know() {
        for activity in [
            Activity::Lobby,
            Activity::Queued(Waiting {
                ticket: TicketId::from_u64(3),
                mode: "ffa".to_owned(),
                waited_ms: 900,
                members: vec![(PlayerId::from_u64(2), "Ada".to_owned())],
            }),
            Activity::Match(Seat {
                match_id: MatchId::from_u64(4),
                owner: "game-r1-1".parse().unwrap(),
                epoch: Epoch(1),
                seat: 3,
                route_token: vec![1, 2, 3],
            }),
        ] {
            let record = Record {
                session: SessionId::from_u64(1),
                player: PlayerId::from_u64(2),
                name: "Ada".to_owned(),
                token_epoch: 2,
                connection: 3,
                party: Some("K7QF2M".parse().unwrap()),
                activity,
            };
            let json = serde_json::to_vec(&record).unwrap();
            assert_eq!(serde_json::from_slice::<Record>(&json).unwrap(), record);
        }
        let unknown = br#"{"session":"0000000000001","player":"0000000000002","name":"","token_epoch":0,"party":null,"activity":{"spectator":{}}}"#;
        assert!(serde_json::from_slice::<Record>(unknown).is_err());
    }
}
