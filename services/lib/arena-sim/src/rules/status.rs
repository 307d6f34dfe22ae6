//! A player's packed words: status = health, aim, cooldown, respawn (8 bits each); score = kills, deaths (16).
use super::prelude::min;

/// Returns the health left; 0 while dead or absent.
#[inline(always)]
pub fn health(status: u32) -> u32 {
    return status & 255;
}

/// Returns the aim in 1/256 turns.
#[inline(always)]
pub fn aim(status: u32) -> u32 {
    return (status >> 8) & 255;
}

/// Returns the ticks until the weapon is ready.
#[inline(always)]
pub fn cooldown(status: u32) -> u32 {
    return (status >> 16) & 255;
}

/// Returns the ticks until the player stands up again; 0 = is alive, if seated.
#[inline(always)]
pub fn respawn(status: u32) -> u32 {
    return status >> 24;
}

/// Packs a status; every part at most 255.
#[inline(always)]
pub fn pack_status(health: u32, aim: u32, cooldown: u32, respawn: u32) -> u32 {
    return health | (aim << 8) | (cooldown << 16) | (respawn << 24);
}

/// Returns the status after damage; who reaches 0 waits `respawn_ticks`.
#[inline(always)]
pub fn hurt(status: u32, damage: u32, respawn_ticks: u32) -> u32 {
    let left = health(status) - min(health(status), damage);
    if left == 0 {
        return pack_status(0, aim(status), 0, respawn_ticks);
    }
    return pack_status(left, aim(status), cooldown(status), respawn(status));
}

/// Returns the kills of a score.
#[inline(always)]
pub fn kills(score: u32) -> u32 {
    return score & 0xffff;
}

/// Returns the deaths of a score.
#[inline(always)]
pub fn deaths(score: u32) -> u32 {
    return score >> 16;
}

/// Returns the score with more kills and deaths, each stopping at 65535.
#[inline(always)]
pub fn add_score(score: u32, more_kills: u32, more_deaths: u32) -> u32 {
    return min(kills(score) + more_kills, 65535) | (min(deaths(score) + more_deaths, 65535) << 16);
}
