//! A request to be matched, checked once.

use std::collections::BTreeMap;

use arena_types::{ParseIdError, PlayerId, Region, TicketId};
use arena_wire::matchmaker::v1;
use serde::{Deserialize, Serialize};

use super::party::MEMBERS_MAX;

/// The modes there are.
pub const MODES: [&str; 1] = ["arena"];
/// The rating of someone who has not played, as `stats` starts with.
pub const RATING_START: f64 = 1500.0;
/// Ratings are kept within 0 to this: ten times finer than anyone can play.
const RATING_MAX: f64 = 4095.0;
/// Longest name of a player, in characters, as the player store takes it.
const NAME_CHARS_MAX: usize = 32;
/// Regions one ticket may name: all there are, twice over.
const REGIONS_MAX: usize = 16;

/// One player of a ticket, a party or a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The player.
    pub player: PlayerId,
    /// The name others see.
    pub name: String,
}

impl Member {
    /// Checks what came over the wire.
    ///
    /// # Errors
    /// `TicketError::Player`, [`TicketError::Name`].
    pub fn parse(message: v1::Member) -> Result<Self, TicketError> {
        let v1::Member { player, display_name: name } = message;
        let chars = name.chars().count();
        if chars == 0 || chars > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            return Err(TicketError::Name { name });
        }
        Ok(Self { player: player.parse()?, name })
    }
}

/// A player or a party that waits for a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its name; the same at every instance it is queued at.
    pub id: TicketId,
    /// One of [`MODES`].
    pub mode: &'static str,
    /// Who plays, 1 to [`MEMBERS_MAX`].
    pub members: Vec<Member>,
    /// Mean rating of the members, 0 to 4095.
    pub rating: u16,
    /// When it began to wait, here or elsewhere.
    pub since_ms: u64,
    /// Round-trip time of the slowest member to each region, in milliseconds.
    pub rtts: BTreeMap<Region, u32>,
}

/// Why a ticket cannot be matched as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// The ticket has no id.
    #[error(transparent)]
    Id(#[from] ParseIdError),
    /// There is no such mode.
    #[error("there is no mode `{mode}`: choose one of {}", MODES.join(", "))]
    Mode {
        /// What was asked for.
        mode: String,
    },
    /// Nobody, or too many.
    #[error("a ticket has {found} members: it takes 1 to {max}")]
    Members {
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// The same player twice.
    #[error("player {player} is in the ticket twice")]
    Twice {
        /// The player.
        player: PlayerId,
    },
    /// A name nobody could show.
    #[error("{name:?} is not a name: 1 to {NAME_CHARS_MAX} visible characters")]
    Name {
        /// The name.
        name: String,
    },
}

impl Ticket {
    /// Checks what came over the wire; the rating is the start until it is known.
    ///
    /// Round-trip times to regions of unknown form are left out: they are figures, not conditions.
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn parse(message: v1::Ticket, seats: u32, now_ms: u64) -> Result<Self, TicketError> {
        let v1::Ticket { ticket, mode, members, waited_ms, rtts } = message;
        let id = ticket.parse()?;
        let mode = parse_mode(&mode)?;
        let max = MEMBERS_MAX.min(seats as usize);
        if members.is_empty() || members.len() > max {
            return Err(TicketError::Members { found: members.len(), max });
        }
        let members = members.into_iter().map(Member::parse).collect::<Result<Vec<_>, _>>()?;
        for (index, Member { player, .. }) in members.iter().enumerate() {
            if members[..index].iter().any(|it| it.player == *player) {
                return Err(TicketError::Twice { player: *player });
            }
        }
        let rtts = rtts.into_iter().take(REGIONS_MAX);
        Ok(Self {
            id,
            mode,
            members,
            rating: quantise(RATING_START),
            since_ms: now_ms.saturating_sub(waited_ms),
            rtts: rtts.filter_map(|it| Some((it.region.parse().ok()?, it.rtt_ms))).collect(),
        })
    }

    /// Returns how many milliseconds the members lose in `here` against their best region, or
    /// `None` if `here` was not measured.
    #[must_use]
    pub fn rtt_delta_ms(&self, here: &Region) -> Option<u32> {
        let best = self.rtts.values().min()?;
        Some(self.rtts.get(here)? - best)
    }
}

/// Returns the mode of this name.
///
/// # Errors
/// [`TicketError::Mode`] with the list of those there are.
pub(crate) fn parse_mode(mode: &str) -> Result<&'static str, TicketError> {
    let found = MODES.into_iter().find(|it| *it == mode);
    found.ok_or_else(|| TicketError::Mode { mode: mode.to_owned() })
}

/// Returns a rating as tickets carry it: whole points, 0 to 4095.
#[must_use]
pub fn quantise(rating: f64) -> u16 {
    if rating.is_nan() { quantise(RATING_START) } else { rating.clamp(0.0, RATING_MAX) as u16 }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn member(player: u64) -> Member {
        Member { player: PlayerId::from_u64(player), name: format!("p{player}") }
    }

    fn message() -> v1::Ticket {
        let members = [1, 2].map(|it| {
            let Member { player, name } = member(it);
            v1::Member { player: player.to_string(), display_name: name }
        });
        v1::Ticket {
            ticket: TicketId::from_u64(7).to_string(),
            mode: "arena".to_owned(),
            members: members.into(),
            waited_ms: 300,
            rtts: [("local", 30), ("eu-fra", 10), ("Not A Region", 1)]
                .map(|(region, rtt_ms)| v1::RegionRtt { region: region.to_owned(), rtt_ms })
                .into(),
        }
    }

    #[test]
    fn a_ticket_keeps_its_age_and_knows_what_the_region_costs() {
        let ticket = Ticket::parse(message(), 16, 1_000).unwrap();
        assert_eq!((ticket.since_ms, ticket.rating, ticket.members.len()), (700, 1500, 2));
        for (region, delta_ms) in [("local", Some(20)), ("eu-fra", Some(0)), ("us-east", None)] {
            assert_eq!(ticket.rtt_delta_ms(&region.parse().unwrap()), delta_ms, "{region}");
        }
    }

    #[test]
    fn every_mistake_says_what_is_wrong() {
        let (first, long) = (message().members[0].clone(), "x".repeat(33));
        let members = |members: Vec<v1::Member>| v1::Ticket { members, ..message() };
        let named =
            |name: &str| members(vec![v1::Member { display_name: name.into(), ..first.clone() }]);
        for (ticket, part) in [
            (v1::Ticket { ticket: "x".to_owned(), ..message() }, "not a ticket id"),
            (v1::Ticket { mode: "chess".to_owned(), ..message() }, "choose one of arena"),
            (members(vec![]), "takes 1 to 8"),
            (members(vec![first.clone(); 9]), "9 members"),
            (members(vec![first.clone(), first.clone()]), "twice"),
            (members(vec![v1::Member { player: "me".into(), ..first.clone() }]), "not a player id"),
            (named(""), "not a name"),
            (named("a\nb"), "not a name"),
            (named(&long), "not a name"),
        ] {
            let error = Ticket::parse(ticket, 16, 0).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn ratings_are_whole_points_within_bounds() {
        for (rating, points) in
            [(-5.0, 0), (1500.7, 1500), (9e9, 4095), (f64::NAN, 1500), (f64::INFINITY, 4095)]
        {
            assert_eq!(quantise(rating), points, "{rating}");
        }
    }
}
