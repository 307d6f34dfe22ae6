//! Shots become projectiles.
use crate::PLAYERS;
use crate::rules::hash::rng;
use crate::rules::projectile::{BOOSTED, along, life, muzzle, pellet_direction, pellet_speed};
use crate::rules::space::pack_velocity;
use crate::rules::status;
use crate::rules::teams::boost;
use crate::ruleset::Compiled;
use crate::slab::{self, Columns};
use crate::tables::direction;

/// Fills the ring from the cursor on: the shooter's rank among those who fired, not a counter that
/// shooters would race for, decides the slot.
#[inline(always)]
pub(super) fn fire<const N: usize>(world: &mut Columns<'_, N>, fired: u32, rules: &Compiled) {
    let (tick, seed, cursor) =
        (world.header[slab::TICK], world.header[slab::SEED], world.header[slab::CURSOR]);
    let mut left = fired;
    while left != 0 {
        let p = left.trailing_zeros() as usize % PLAYERS;
        let rank = (fired & ((1 << p) - 1)).count_ones();
        left &= left - 1;
        let boosted = if boost(world.effects[p]) == 0 { 0 } else { BOOSTED };
        let born = life(tick, p as u32) | boosted;
        for pellet in 0..rules.pellets {
            let random = rng(seed, tick, p as u32, pellet);
            let aim = status::aim(world.status[p]);
            let (cos, sin) = direction(pellet_direction(aim, random, rules.spread));
            let speed = pellet_speed(random, rules.speed, rules.speed_jitter);
            let slot = (cursor + rank * rules.pellets + pellet) as usize & (N - 1);
            world.x[slot] = muzzle(world.player_x[p] as i32, cos) as u32;
            world.y[slot] = muzzle(world.player_y[p] as i32, sin) as u32;
            world.v[slot] = pack_velocity(along(speed, cos), along(speed, sin));
            world.life[slot] = born;
        }
    }
    world.header[slab::CURSOR] = (cursor + fired.count_ones() * rules.pellets) & (N as u32 - 1);
}
