//! The arena: 64 m by 64 m, positions in Q16.16 metres, a grid of 16 by 16 cells of 4 m.
use super::prelude::{clamp, i32, u32};

/// One metre.
pub const METRE: i32 = 65536;
/// The side of the arena, 64 m.
pub const ARENA: i32 = 4194304;
/// A position shifted right by this is a column or row of the grid.
pub const CELL_SHIFT: u32 = 18;

/// Returns the x of a packed velocity, Q4.12 metres a tick.
#[inline(always)]
pub fn velocity_x(v: u32) -> i32 {
    return i32(v << 16) >> 16;
}

/// Returns the y of a packed velocity, Q4.12 metres a tick.
#[inline(always)]
pub fn velocity_y(v: u32) -> i32 {
    return i32(v) >> 16;
}

/// Packs a velocity, 16 bits an axis.
#[inline(always)]
pub fn pack_velocity(x: i32, y: i32) -> u32 {
    return (u32(x) & 0xffff) | (u32(y) << 16);
}

/// Returns the row or column a coordinate lies in; the far border belongs to the last one.
#[inline(always)]
pub fn lane(x: i32) -> i32 {
    return clamp(x >> CELL_SHIFT, 0, 15);
}

/// Returns the cell of a point: row * 16 + column.
#[inline(always)]
pub fn cell_at(x: i32, y: i32) -> u32 {
    return u32(lane(y) * 16 + lane(x));
}

/// Returns one axis of the middle of a row or column.
#[inline(always)]
pub fn middle(lane: u32) -> i32 {
    return i32(lane << CELL_SHIFT) + 2 * METRE;
}
