//! How a projectile starts, flies, and turns at the border and at walls.
use super::prelude::{clamp, i32, min, select};
use super::space::ARENA;

/// The owner's seat starts at this bit of a life word; the ticks left are below it.
pub const OWNER_SHIFT: u32 = 16;

/// Returns the life word of a new projectile.
#[inline(always)]
pub fn life(ticks_left: u32, owner: u32) -> u32 {
    return ticks_left | (owner << OWNER_SHIFT);
}

/// Returns the ticks a projectile still flies; 0 means the slot is free.
#[inline(always)]
pub fn ticks_left(life: u32) -> u32 {
    return life & 0xffff;
}

/// Returns the seat that fired.
#[inline(always)]
pub fn owner(life: u32) -> u32 {
    return (life >> OWNER_SHIFT) & 15;
}

/// Returns the life word of a spent projectile: its owner stays readable for the kill credit.
#[inline(always)]
pub fn spent(life: u32) -> u32 {
    return life & 0xf0000;
}

/// Returns a pellet's direction, in 1/256 turns, from its random number.
#[inline(always)]
pub fn pellet_direction(aim: u32, random: u32, spread: u32) -> u32 {
    return (aim + 256 + (random >> 8) % (2 * spread + 1) - spread) & 255;
}

/// Returns a pellet's speed, Q4.12 metres a tick.
#[inline(always)]
pub fn pellet_speed(random: u32, speed: i32, jitter: i32) -> i32 {
    return speed + ((i32(random & 255) * jitter) >> 8);
}

/// Returns one axis of a velocity from a speed and the Q14 cosine or sine of its direction.
#[inline(always)]
pub fn along(speed: i32, cosine: i32) -> i32 {
    return (speed * cosine) >> 14;
}

/// Returns one axis of the muzzle, one metre ahead of the shooter, inside the arena.
#[inline(always)]
pub fn muzzle(p: i32, cosine: i32) -> i32 {
    return clamp(p + (cosine << 2), 0, ARENA);
}

/// Returns a coordinate after a reflection at either border.
#[inline(always)]
pub fn reflect(p: i32) -> i32 {
    let a = select(p, -p, p < 0);
    return min(a, 2 * ARENA - a);
}

/// Returns the velocity that goes with a reflection: turned if the coordinate was.
#[inline(always)]
pub fn reflected_velocity(before: i32, after: i32, v: i32) -> i32 {
    return select(v, -v, before != after);
}

/// Returns where one axis was before this tick's flight.
#[inline(always)]
pub fn step_back(p: i32, v: i32) -> i32 {
    return clamp(p - (v << 4), 0, ARENA);
}

/// Says whether a ricochet turns this axis, given which axes would be free if stepped back alone.
///
/// A face turns its own axis, an outer corner (both free) and an inner one (neither) turn both.
#[inline(always)]
pub fn ricochet_turns(this_free: bool, other_free: bool) -> bool {
    return this_free || !other_free;
}
