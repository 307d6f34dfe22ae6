//! Angles and distances in integers.
use crate::tables::direction;

/// Returns the direction from the origin to a point in 1/256 turns, rounded to the nearest.
#[must_use]
pub fn turn_towards(dx: i32, dy: i32) -> u8 {
    let (x, y) = (i64::from(dx).abs(), i64::from(dy).abs());
    // The greatest turn of the first quadrant that does not pass the point.
    let (mut low, mut high) = (0u32, 64u32);
    while low < high {
        let middle = (low + high).div_ceil(2);
        let (cos, sin) = direction(middle);
        if i64::from(cos) * y >= i64::from(sin) * x { low = middle } else { high = middle - 1 }
    }
    let along = |turn: u32| {
        let (cos, sin) = direction(turn);
        i64::from(cos) * x + i64::from(sin) * y
    };
    let quarter = if along(low + 1) > along(low) { low + 1 } else { low };
    let half = if dx < 0 { 128 - quarter } else { quarter };
    (if dy < 0 { 256 - half } else { half }) as u8
}

/// Returns the length of a vector, at most 7 % off: the longer axis and 3/8 of the shorter.
pub(super) fn length(dx: i32, dy: i32) -> i32 {
    let (a, b) = (dx.abs(), dy.abs());
    a.max(b) + a.min(b) / 8 * 3
}

/// Returns the stick held in a direction.
pub(super) fn stick(turn: u8) -> (i8, i8) {
    let (cos, sin) = direction(u32::from(turn));
    ((cos * 127 / 16384) as i8, (sin * 127 / 16384) as i8)
}
