//! Teams, their flags, and what players carry. Even seats are team 0, odd ones team 1.
use super::prelude::min;

/// The flag stands where it belongs.
pub const FLAG_HOME: u32 = 0;
/// A seat carries it.
pub const FLAG_CARRIED: u32 = 1;
/// It lies where its carrier fell.
pub const FLAG_DROPPED: u32 = 2;

/// Returns the team of a seat.
#[inline(always)]
pub fn team_of(seat: u32) -> u32 {
    return seat & 1;
}

/// Returns the seats that a shooter's projectiles pass: `pattern` moved by the bits `choose` of its seat.
#[inline(always)]
pub fn spared(shooter: u32, pattern: u32, choose: u32) -> u32 {
    return pattern << (shooter & choose);
}

/// Returns a team's score.
#[inline(always)]
pub fn team_score(scores: u32, team: u32) -> u32 {
    return (scores >> (team * 16)) & 0xffff;
}

/// Returns both scores with more for each team, each stopping at 65535.
#[inline(always)]
pub fn add_team_scores(scores: u32, more_first: u32, more_second: u32) -> u32 {
    let first = min(team_score(scores, 0) + more_first, 65535);
    return first | (min(team_score(scores, 1) + more_second, 65535) << 16);
}

/// Returns where a flag is: home, carried or dropped.
#[inline(always)]
pub fn flag_kind(state: u32) -> u32 {
    return state & 3;
}

/// Returns the seat that carries it.
#[inline(always)]
pub fn flag_carrier(state: u32) -> u32 {
    return (state >> 8) & 15;
}

/// Returns the ticks until a dropped one returns by itself.
#[inline(always)]
pub fn flag_wait(state: u32) -> u32 {
    return state >> 16;
}

/// Returns the state of a carried flag.
#[inline(always)]
pub fn flag_carried(seat: u32) -> u32 {
    return FLAG_CARRIED | (seat << 8);
}

/// Returns the state of a dropped flag; `ticks` at most 65535.
#[inline(always)]
pub fn flag_dropped(ticks: u32) -> u32 {
    return FLAG_DROPPED | (ticks << 16);
}

/// Returns the ticks of boost left.
#[inline(always)]
pub fn boost(effects: u32) -> u32 {
    return effects & 255;
}

/// Returns the effects a tick later.
#[inline(always)]
pub fn fade(effects: u32) -> u32 {
    return effects - min(boost(effects), 1);
}

/// Returns the damage that reaches who stands on cover: half, rounded up.
#[inline(always)]
pub fn behind_cover(damage: u32) -> u32 {
    return damage - damage / 2;
}
