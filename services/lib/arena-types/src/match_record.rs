//! What the registry holds about a match.

use serde::{Deserialize, Serialize};

use crate::{Epoch, FailoverPolicy, InstanceId, MatchId, PlayerId, ReleaseId, TicketId};

/// Prefix of all matches; below it `<match>`.
pub const MATCHES: &str = "match/";

/// Returns the key of a match; it holds a [`MatchRecord`] without a lease, since its epoch outlives owners.
#[must_use]
pub fn match_key(id: MatchId) -> String {
    format!("{MATCHES}{id}")
}

/// Who may confirm a match's inputs and publish its frames. It changes by compare-and-swap only.
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
    /// What becomes of it if its owner dies, if its queue says so; else the owner's instance does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<FailoverPolicy>,
    /// The instance that keeps a warm copy of it, and is the only one that may go on with it if its owner dies:
    /// nothing is shown that it does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<InstanceId>,
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

impl MatchRecord {
    /// Returns the record with the next owner, one epoch later; `None` after four billion owners.
    #[must_use]
    pub fn owned_by(&self, owner: InstanceId, release: ReleaseId) -> Option<Self> {
        let shadow = None; // an owner finds its own
        Some(Self { owner, release, epoch: self.epoch.next()?, shadow, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_the_documented_json() {
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
            failover: None,
            shadow: None,
        };
        let text = serde_json::to_string(&record).unwrap();
        expect_test::expect![[r#"{"owner":"game-r2-0","epoch":1,"release":"r2","rules_version":3,"seed":4,"mode":"arena","players":[{"player":"0000000000005","name":"Ann","seat":0}],"tickets":["0000000000006"],"created_ms":7,"ready":true}"#]]
            .assert_eq(&text);
        assert_eq!(serde_json::from_str::<MatchRecord>(&text).unwrap(), record);
        assert_eq!(match_key(MatchId::from_u64(1)), "match/0000000000001");
        let said = MatchRecord { failover: Some(FailoverPolicy::Off), ..record.clone() };
        assert!(serde_json::to_string(&said).unwrap().ends_with(r#","failover":"off"}"#));
        let shadowed = MatchRecord { shadow: Some(record.owner.clone()), ..record.clone() };
        assert!(serde_json::to_string(&shadowed).unwrap().ends_with(r#","shadow":"game-r2-0"}"#));
        let record = shadowed;
        let next = record.owned_by("game-r3-1".parse().unwrap(), ReleaseId(3)).unwrap();
        assert_eq!((next.epoch, next.seed, next.shadow), (Epoch(2), 4, None));
    }
}
