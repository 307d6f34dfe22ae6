//! A projectile that has flown into a wall's cell.
use crate::rules::projectile::{ricochet_turns, step_back};
use crate::ruleset::Compiled;

/// Where a ricochet leaves a projectile: position and velocity.
pub(super) struct Ricochet {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) vx: i32,
    pub(super) vy: i32,
}

/// Returns the ricochet, or `None` if the projectile ends here: the rules say so, or it came from inside.
pub(super) fn strike(x: i32, y: i32, vx: i32, vy: i32, rules: &Compiled) -> Option<Ricochet> {
    if !rules.walls_bounce {
        return None;
    }
    let (back_x, back_y) = (step_back(x, vx), step_back(y, vy));
    let (free_x, free_y) = (!rules.wall_at(back_x, y), !rules.wall_at(x, back_y));
    let (mut after_x, mut after_vx, mut after_y, mut after_vy) = (x, vx, y, vy);
    if ricochet_turns(free_x, free_y) {
        (after_x, after_vx) = (back_x, -vx);
    }
    if ricochet_turns(free_y, free_x) {
        (after_y, after_vy) = (back_y, -vy);
    }
    let free = !rules.wall_at(after_x, after_y);
    free.then_some(Ricochet { x: after_x, y: after_y, vx: after_vx, vy: after_vy })
}
