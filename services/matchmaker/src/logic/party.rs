//! Friends who queue together.

use arena_types::{PartyCode, PlayerId, TicketId};
use serde::{Deserialize, Serialize};

use super::ticket::{Member, TicketError, parse_mode};
use arena_instance::placement::mix;

/// Members of a party: half the seats of a match, so that two parties always fit.
pub const MEMBERS_MAX: usize = 8;
/// What party codes are written with.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What `party/<code>` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyRecord {
    /// Who queues it: a member.
    pub leader: PlayerId,
    /// Everyone, in the order of joining; at least one.
    pub members: Vec<Member>,
    /// What it queues for.
    pub mode: String,
    /// The ticket every member follows, while it is queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
}

/// Why a party stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartyError {
    /// There is none of this code, or the player is not in it.
    #[error("there is no party {code} with this player: ask for its code again")]
    Unknown {
        /// The code.
        code: String,
    },
    /// Everyone is here already.
    #[error("the party is full: {MEMBERS_MAX} members")]
    Full,
    /// Only the leader may.
    #[error("only the leader can queue the party: ask, or leave the party")]
    NotLeader,
    /// It waits for a match.
    #[error("the party is queued: wait for its match, or cancel")]
    Queued,
    /// Something in the request is wrong.
    #[error(transparent)]
    Invalid(#[from] TicketError),
}

impl PartyRecord {
    /// Starts a party of one.
    ///
    /// # Errors
    /// [`PartyError::Invalid`] for a mode there is not.
    pub fn create(leader: Member, mode: &str) -> Result<Self, PartyError> {
        let mode = parse_mode(mode)?.to_owned();
        Ok(Self { leader: leader.player, members: vec![leader], mode, ticket: None })
    }

    /// Adds a member; one who is in it already only changes the name.
    ///
    /// # Errors
    /// [`PartyError::Queued`], [`PartyError::Full`].
    pub fn join(mut self, member: Member) -> Result<Self, PartyError> {
        if let Some(own) = self.members.iter_mut().find(|it| it.player == member.player) {
            own.name = member.name;
            return Ok(self);
        }
        if self.ticket.is_some() {
            return Err(PartyError::Queued);
        }
        if self.members.len() >= MEMBERS_MAX {
            return Err(PartyError::Full);
        }
        self.members.push(member);
        Ok(self)
    }

    /// Takes a member out; the next in line leads, and what was queued is queued no more. `None`
    /// once nobody is left.
    #[must_use]
    pub fn leave(mut self, player: PlayerId) -> Option<Self> {
        if self.has(player) {
            self.members.retain(|it| it.player != player);
            self.ticket = None;
        }
        let next = self.members.first()?.player;
        if !self.has(self.leader) {
            self.leader = next;
        }
        Some(self)
    }

    /// Queues everyone with `ticket`.
    ///
    /// # Errors
    /// [`PartyError::NotLeader`], [`PartyError::Queued`] with another ticket.
    pub fn queue(mut self, player: PlayerId, ticket: TicketId) -> Result<Self, PartyError> {
        if player != self.leader {
            return Err(PartyError::NotLeader);
        }
        if self.ticket.is_some_and(|it| it != ticket) {
            return Err(PartyError::Queued);
        }
        self.ticket = Some(ticket);
        Ok(self)
    }

    /// Forgets `ticket`, if it is the one that is queued.
    #[must_use]
    pub fn unqueue(mut self, ticket: TicketId) -> Self {
        self.ticket = self.ticket.filter(|it| *it != ticket);
        self
    }

    /// Tells whether `player` is a member.
    #[must_use]
    pub fn has(&self, player: PlayerId) -> bool {
        self.members.iter().any(|it| it.player == player)
    }
}

/// Draws a party code.
#[must_use]
pub fn code(seed: u64) -> PartyCode {
    let letter = |n| char::from(ALPHABET[(mix(seed, n) % 32) as usize]);
    (0..6).map(letter).collect::<String>().parse().expect("the alphabet is that of party codes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ticket::tests::member;
    use super::*;

    fn party(players: &[u64]) -> PartyRecord {
        let first = PartyRecord::create(member(players[0]), "arena").unwrap();
        players[1..].iter().fold(first, |party, it| party.join(member(*it)).unwrap())
    }

    #[test]
    fn the_leader_queues_and_the_next_in_line_leads() {
        let (id, ticket) = (PlayerId::from_u64, TicketId::from_u64(9));
        let queued = party(&[1, 2, 3]).queue(id(1), ticket).unwrap();
        assert_eq!(queued.clone().queue(id(1), ticket), Ok(queued.clone()), "again is the same");
        for (error, refused) in [
            (PartyError::NotLeader, queued.clone().queue(id(2), ticket)),
            (PartyError::Queued, queued.clone().queue(id(1), TicketId::from_u64(8))),
            (PartyError::Queued, queued.clone().join(member(4))),
            (PartyError::Full, party(&[1, 2, 3, 4, 5, 6, 7, 8]).join(member(9))),
        ] {
            assert_eq!(refused, Err(error));
        }
        assert_eq!(queued.clone().unqueue(TicketId::from_u64(8)), queued);
        assert_eq!(queued.clone().unqueue(ticket), party(&[1, 2, 3]));
        let left = queued.leave(id(1)).unwrap();
        assert_eq!((left.leader, left.ticket, left.members.len()), (id(2), None, 2));
        assert_eq!(left.leave(id(2)).unwrap().leave(id(3)), None);
        assert!(PartyRecord::create(member(1), "chess").is_err());
    }

    proptest! {
        #[test]
        fn a_party_has_a_leader_among_few_members(
            steps in prop::collection::vec((0..3_u8, 0..12_u64), 0..60), seed in any::<u64>(),
        ) {
            prop_assert_eq!(code(seed).as_str().len(), 6);
            let mut now = Some(party(&[0]));
            for (what, player) in steps {
                let Some(party) = now.clone() else { break };
                let id = PlayerId::from_u64(player);
                now = match what {
                    0 => Some(party.clone().join(member(player)).unwrap_or(party)),
                    1 => party.leave(id),
                    _ => Some(party.clone().queue(id, TicketId::from_u64(1)).unwrap_or(party)),
                };
                if let Some(party) = &now {
                    prop_assert!(party.has(party.leader));
                    prop_assert!(party.members.len() <= MEMBERS_MAX);
                }
            }
        }
    }
}
