//! When a projectile hits a player. The caller bounds the distance first: by the grid or by [`near`].
use super::prelude::abs;

/// Distances are compared in 1/4096 m so that the squares fit; this is what the shift may lose.
pub const ROUNDING: i32 = 16;

/// Says whether a distance is small enough to be squared, `margin` = hit radius + [`ROUNDING`].
#[inline(always)]
pub fn near(dx: i32, dy: i32, margin: i32) -> bool {
    return abs(dx) <= margin && abs(dy) <= margin;
}

/// Says whether a distance, at most one cell and a margin an axis, is a hit.
#[inline(always)]
pub fn hit(dx: i32, dy: i32, radius_squared: i32) -> bool {
    return (dx >> 4) * (dx >> 4) + (dy >> 4) * (dy >> 4) <= radius_squared;
}

/// How far a pick-up or a flag reaches: 1.25 m, and its square in the units of [`hit`].
pub const TOUCH_MARGIN: i32 = 81936;
/// The square of 1.25 m as [`hit`] compares it.
pub const TOUCH_SQUARED: i32 = 26214400;

/// Says whether a player at this distance touches a pick-up or a flag.
#[inline(always)]
pub fn touches(dx: i32, dy: i32) -> bool {
    return near(dx, dy, TOUCH_MARGIN) && hit(dx, dy, TOUCH_SQUARED);
}
