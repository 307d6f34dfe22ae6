//! Who is ahead, and why a match ended.
use crate::view::WorldView;

/// Why a match ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The time limit was reached.
    Time,
    /// Someone reached the frag limit.
    Frags,
}

impl FinishReason {
    /// Returns the reason in a slab's flags, if the match is over.
    pub(crate) fn of_flags(flags: u32) -> Option<Self> {
        match (flags & 1, flags >> 8) {
            (0, _) => None,
            (_, 2) => Some(Self::Frags),
            _ => Some(Self::Time),
        }
    }

    /// Returns the flags of a match that ended so.
    #[inline(always)]
    pub(crate) const fn flags(self) -> u32 {
        match self {
            Self::Time => 1 | 1 << 8,
            Self::Frags => 1 | 2 << 8,
        }
    }
}

/// One seat's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The seat.
    pub seat: u8,
    /// Place from 1; equal scores share one.
    pub rank: u8,
    /// Kills.
    pub kills: u16,
    /// Deaths.
    pub deaths: u16,
    /// Whether a bot plays the seat now.
    pub bot: bool,
}

/// Returns the taken seats, most kills first, then fewest deaths, then by seat.
pub(crate) fn standings(world: &WorldView<'_>) -> Vec<Standing> {
    let mut list: Vec<Standing> = world
        .players()
        .filter(|player| player.active)
        .map(|player| Standing {
            seat: player.seat,
            rank: 0,
            kills: player.kills,
            deaths: player.deaths,
            bot: player.bot,
        })
        .collect();
    list.sort_by_key(|it| (std::cmp::Reverse(it.kills), it.deaths, it.seat));
    for i in 0..list.len() {
        let ties =
            i > 0 && (list[i - 1].kills, list[i - 1].deaths) == (list[i].kills, list[i].deaths);
        list[i].rank = if ties { list[i - 1].rank } else { i as u8 + 1 };
    }
    list
}
