//! One projectile's tick: it flies, turns at the border, meets a wall or a player, or grows too old.
use super::walls::strike;
use super::{Impacts, crowd};
use crate::PLAYERS;
use crate::rules::hit::{hit, near};
use crate::rules::projectile::{
    age, damage_of, origin_of, owner, place_at, reflect, reflected_velocity, spent,
};
use crate::rules::space::{pack_velocity, velocity_x, velocity_y};
use crate::rules::teams::spared;
use crate::ruleset::Compiled;
use crate::slab::{self, Columns};

/// What is worth a test at a place: all, or what a grid says is near.
#[derive(Clone, Copy)]
pub(crate) struct Near {
    /// Seats.
    pub(crate) players: u32,
    /// Whether any drone is.
    pub(crate) drones: bool,
}

/// Advances the projectile in `slot`, which is in flight; `targets` says what is worth a test at a place.
#[inline(always)]
pub(crate) fn fly<const N: usize>(
    world: &mut Columns<'_, N>,
    slot: usize,
    rules: &Compiled,
    targets: impl FnOnce(i32, i32) -> Near,
    impacts: &mut Impacts,
) {
    let (life, v) = (world.life[slot], world.v[slot]);
    let flown = age(life, world.header[slab::TICK] + 1);
    let (mut vx, mut vy) = (velocity_x(v), velocity_y(v));
    let (far_x, far_y) =
        (place_at(world.x[slot] as i32, vx, flown), place_at(world.y[slot] as i32, vy, flown));
    let (mut x, mut y) = (reflect(far_x), reflect(far_y));
    vx = reflected_velocity(far_x, x, vx);
    vy = reflected_velocity(far_y, y, vy);
    let mut lives = flown < rules.lifetime_ticks;
    if rules.wall_at(x, y) {
        match strike(x, y, vx, vy, rules) {
            Some(turned) => (x, y, vx, vy) = (turned.x, turned.y, turned.vx, turned.vy),
            None => lives = false,
        }
    } else {
        lives &= !strikes(world, slot, (x, y), targets(x, y), rules, impacts);
    }
    if !lives {
        clear(world, slot, spent(life));
    } else if pack_velocity(vx, vy) != v {
        world.x[slot] = origin_of(x, vx, flown) as u32;
        world.y[slot] = origin_of(y, vy, flown) as u32;
        world.v[slot] = pack_velocity(vx, vy);
    }
}

/// Says whether the projectile in `slot` hits someone at a place: the first player that its shooter does
/// not spare, else the first drone.
#[inline(always)]
fn strikes<const N: usize>(
    world: &Columns<'_, N>,
    slot: usize,
    (x, y): (i32, i32),
    targets: Near,
    rules: &Compiled,
    impacts: &mut Impacts,
) -> bool {
    let spared = spared(owner(world.life[slot]), rules.spared_pattern, rules.spared_choose);
    if let Some(victim) = first_hit(world, x, y, targets.players & !spared, rules) {
        strike_player(world, slot, victim, rules, impacts);
        return true;
    }
    let (x, y) = (x as u32, y as u32);
    targets.drones && strikes_drone(world, slot, (x, y), u64::MAX, rules, impacts)
}

/// Lets the projectile in `slot` hurt a player.
#[inline(always)]
pub(crate) fn strike_player<const N: usize>(
    world: &Columns<'_, N>,
    slot: usize,
    victim: usize,
    rules: &Compiled,
    impacts: &mut Impacts,
) {
    let life = world.life[slot];
    impacts.add(victim, slot, owner(life), damage_of(life, rules.damage));
}

/// Says whether the projectile in `slot` hits a drone of `candidates` at a place.
#[inline(always)]
pub(crate) fn strikes_drone<const N: usize>(
    world: &Columns<'_, N>,
    slot: usize,
    (x, y): (u32, u32),
    candidates: u64,
    rules: &Compiled,
    impacts: &mut Impacts,
) -> bool {
    let Some(crowd) = &world.crowd else { return false };
    let Some(victim) = crowd::first_hit(crowd, x as i32, y as i32, candidates, rules) else {
        return false;
    };
    let life = world.life[slot];
    impacts.drones[victim] += damage_of(life, rules.damage);
    impacts.hitters |= 1 << owner(life);
    true
}

/// Frees a slot, leaving `life` behind; the zeros keep snapshots small.
#[inline(always)]
pub(crate) fn clear<const N: usize>(world: &mut Columns<'_, N>, slot: usize, life: u32) {
    world.x[slot] = 0;
    world.y[slot] = 0;
    world.v[slot] = 0;
    world.life[slot] = life;
}

/// Returns the first seat of `targets` that is hit at a place.
#[inline(always)]
fn first_hit<const N: usize>(
    world: &Columns<'_, N>,
    x: i32,
    y: i32,
    targets: u32,
    rules: &Compiled,
) -> Option<usize> {
    let mut left = targets;
    while left != 0 {
        let p = left.trailing_zeros() as usize % PLAYERS;
        left &= left - 1;
        let (dx, dy) = (x - world.player_x[p] as i32, y - world.player_y[p] as i32);
        if near(dx, dy, rules.hit_margin) && hit(dx, dy, rules.hit_radius_squared) {
            return Some(p);
        }
    }
    None
}
