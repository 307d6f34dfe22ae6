//! How a player moves: steer, accelerate against drag, then each axis slides along what it meets.
//! `docs/simulation.md` restates this for the page's prediction; keep both equal.
use super::prelude::{abs, clamp, max, min, select};
use super::space::{ARENA, CELL_SHIFT};

/// Full deflection of a stick axis.
pub const STICK_MAX: i32 = 127;

/// Returns one axis of the stick, shortened so that no diagonal is faster than straight ahead.
///
/// The length is approximated as the longer axis plus 3/8 of the shorter, at most 7 % off.
#[inline(always)]
pub fn steer(axis: i32, other: i32) -> i32 {
    let a = abs(axis);
    let b = abs(other);
    let length = max(a, b) + (min(a, b) * 3) / 8;
    if length > STICK_MAX {
        return (axis * STICK_MAX) / length;
    }
    return axis;
}

/// Returns the velocity of one axis after a tick: drag first, then the push of the stick.
#[inline(always)]
pub fn accelerate(v: i32, stick: i32, accel: i32, drag_shift: u32, speed_max: i32) -> i32 {
    let push = (stick * accel) / 128;
    let lost = abs(v) >> drag_shift;
    let next = v - select(lost, -lost, v < 0) + push;
    if push == 0 && lost == 0 {
        return 0;
    }
    return clamp(next, -speed_max, speed_max);
}

/// Returns a coordinate pushed back inside the border.
#[inline(always)]
pub fn confine(p: i32, radius: i32) -> i32 {
    return clamp(p, radius, ARENA - radius - 1);
}

/// Returns the edge of the body that leads when it moves with `v`.
#[inline(always)]
pub fn leading_edge(p: i32, v: i32, radius: i32) -> i32 {
    return select(p - radius, p + radius, v > 0);
}

/// Returns where the body rests when its leading edge `edge` lies inside a wall's cell.
#[inline(always)]
pub fn contact(edge: i32, v: i32, radius: i32) -> i32 {
    let near = (edge >> CELL_SHIFT) << CELL_SHIFT;
    let far = near + (1 << CELL_SHIFT);
    return confine(select(far + radius, near - radius - 1, v > 0), radius);
}
