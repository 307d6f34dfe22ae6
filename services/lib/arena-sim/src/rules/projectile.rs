//! How a projectile starts, flies, and turns at the border and at walls.
use super::prelude::{clamp, i32, min, select};
use super::space::ARENA;

/// The owner's seat starts at this bit of a life word; below it is the tick of birth, modulo 65536.
pub const OWNER_SHIFT: u32 = 16;
/// The bit of a life word that says that the projectile flies.
pub const LIVE: u32 = 0x80000000;

/// The bit of a life word that says that the shooter was boosted.
pub const BOOSTED: u32 = 0x100000;

/// Returns the life word of a projectile that flies from `tick` on.
#[inline(always)]
pub fn life(tick: u32, owner: u32) -> u32 {
    return (tick & 0xffff) | (owner << OWNER_SHIFT) | LIVE;
}

/// Returns the damage of a projectile: twice as much if its shooter was boosted.
#[inline(always)]
pub fn damage_of(life: u32, damage: u32) -> u32 {
    return select(damage, 2 * damage, (life & BOOSTED) != 0);
}

/// Says whether a slot is in flight.
#[inline(always)]
pub fn is_live(life: u32) -> bool {
    return (life & LIVE) != 0;
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

/// Returns the ticks flown since birth when `tick` ticks have been stepped.
#[inline(always)]
pub fn age(life: u32, tick: u32) -> u32 {
    return ((tick & 0xffff) + 65536 - (life & 0xffff)) & 0xffff;
}

/// Returns one axis of the place reached at `age` on the straight line from `origin`.
///
/// A projectile is not written while it flies straight: its place follows from its birth.
#[inline(always)]
pub fn place_at(origin: i32, v: i32, age: u32) -> i32 {
    return origin + (v << 4) * i32(age);
}

/// Returns the origin of the line that reaches `p` at `age`; after a turn it may lie outside the arena.
#[inline(always)]
pub fn origin_of(p: i32, v: i32, age: u32) -> i32 {
    return p - (v << 4) * i32(age);
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
