//! Drones: packed words = health (8 bits), ticks until the next bite (8), ticks until it stands up (16);
//! and the flow field they follow: a distance a cell, 0 where a player stands.
use super::prelude::{clamp, min, select};

/// The distance of a cell that no player can be reached from, or of a wall.
pub const FAR: u32 = 255;

/// Returns the health left; 0 while it waits.
#[inline(always)]
pub fn drone_health(status: u32) -> u32 {
    return status & 255;
}

/// Returns the ticks until the next bite.
#[inline(always)]
pub fn drone_bite(status: u32) -> u32 {
    return (status >> 8) & 255;
}

/// Returns the ticks until it stands up; 0 = never, or it stands.
#[inline(always)]
pub fn drone_wait(status: u32) -> u32 {
    return status >> 16;
}

/// Packs a status: health and bite at most 255, wait at most 65535.
#[inline(always)]
pub fn pack_drone(health: u32, bite: u32, wait: u32) -> u32 {
    return health | (bite << 8) | (wait << 16);
}

/// Returns the status after damage; who reaches 0 waits `respawn_ticks`.
#[inline(always)]
pub fn hurt_drone(status: u32, damage: u32, respawn_ticks: u32) -> u32 {
    let left = drone_health(status) - min(drone_health(status), damage);
    if left == 0 {
        return pack_drone(0, 0, respawn_ticks);
    }
    return pack_drone(left, drone_bite(status), 0);
}

/// Returns a cell's next distance from those of its four neighbours: the field flows one cell a tick.
#[inline(always)]
pub fn relax(wall: bool, stood_on: bool, right: u32, below: u32, left: u32, above: u32) -> u32 {
    let next = min(min(min(right, left), min(above, below)) + 1, FAR);
    return select(select(next, 0, stood_on), FAR, wall);
}

/// Returns how a drone ranks a neighbour cell: the least wins. Drones take different ways around.
#[inline(always)]
pub fn rank_way(distance: u32, way: u32, drone: u32) -> u32 {
    return distance * 4 + ((way + drone) & 3);
}

/// Returns one axis of the stick that leads from `p` to `goal`: full from a metre on.
#[inline(always)]
pub fn pull(p: i32, goal: i32) -> i32 {
    return clamp((goal - p) >> 9, -127, 127);
}
