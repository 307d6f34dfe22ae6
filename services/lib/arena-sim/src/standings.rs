//! Who is ahead, and why a match ended.
use std::cmp::Reverse;

pub use arena_sdk::Standing;

use crate::view::WorldView;

/// Why a match ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The time limit was reached.
    Time,
    /// Someone, or a team, reached the frag limit.
    Frags,
    /// A team captured as many flags as it takes.
    Captures,
}

impl FinishReason {
    /// Returns the reason in a slab's flags, if the match is over.
    pub(crate) fn of_flags(flags: u32) -> Option<Self> {
        match (flags & 1, flags >> 8) {
            (0, _) => None,
            (_, 2) => Some(Self::Frags),
            (_, 3) => Some(Self::Captures),
            _ => Some(Self::Time),
        }
    }

    /// Returns the flags of a match that ended so.
    #[inline(always)]
    pub(crate) const fn flags(self) -> u32 {
        match self {
            Self::Time => 1 | 1 << 8,
            Self::Frags => 1 | 2 << 8,
            Self::Captures => 1 | 3 << 8,
        }
    }
}

/// Returns the taken seats: with teams the better team first, then most kills, then fewest deaths, then
/// by seat.
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
    let scores = world.team_scores();
    let team = |it: &Standing| scores.map(|scores| scores[usize::from(it.seat & 1)]);
    list.sort_by_key(|it| (Reverse(team(it)), Reverse(it.kills), it.deaths, it.seat));
    let value = |it: &Standing| match team(it) {
        Some(score) => (score, 0),
        None => (it.kills, it.deaths),
    };
    for i in 0..list.len() {
        let ties = i > 0 && value(&list[i - 1]) == value(&list[i]);
        list[i].rank = if ties { list[i - 1].rank } else { i as u8 + 1 };
    }
    list
}
