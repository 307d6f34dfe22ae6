//! The specification: every projectile by itself, against every player.
use super::walls::strike;
use super::{Impacts, step_with};
use crate::PLAYERS;
use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::rules::hit::{hit, near};
use crate::rules::projectile::{life, owner, reflect, reflected_velocity, ticks_left};
use crate::rules::space::{pack_velocity, velocity_x, velocity_y};
use crate::ruleset::Compiled;
use crate::slab::Columns;

/// Advances one slab by a tick.
pub(crate) fn step<const N: usize>(
    slab: &mut [u32],
    inputs: &SeatInputs,
    rules: &Compiled,
) -> TickOutput {
    step_with::<N>(slab, inputs, rules, |world, alive, rules| {
        let mut impacts = Impacts::none();
        for slot in 0..N {
            if ticks_left(world.life[slot]) != 0 {
                fly(world, slot, alive, rules, &mut impacts);
            }
        }
        impacts
    })
}

fn fly<const N: usize>(
    world: &mut Columns<'_, N>,
    slot: usize,
    alive: u32,
    rules: &Compiled,
    impacts: &mut Impacts,
) {
    let by = owner(world.life[slot]);
    let mut ticks = ticks_left(world.life[slot]) - 1;
    let (mut vx, mut vy) = (velocity_x(world.v[slot]), velocity_y(world.v[slot]));
    let (flown_x, flown_y) = (world.x[slot] as i32 + (vx << 4), world.y[slot] as i32 + (vy << 4));
    let (mut x, mut y) = (reflect(flown_x), reflect(flown_y));
    vx = reflected_velocity(flown_x, x, vx);
    vy = reflected_velocity(flown_y, y, vy);
    if rules.wall_at(x, y) {
        match strike(x, y, vx, vy, rules) {
            Some(turned) if ticks != 0 => {
                (x, y, vx, vy) = (turned.x, turned.y, turned.vx, turned.vy);
            }
            _ => ticks = 0,
        }
    } else if let Some(victim) = first_hit(world, x, y, alive & !(1 << by), rules) {
        impacts.add(victim, slot, by, rules.damage);
        ticks = 0;
    }
    world.x[slot] = x as u32;
    world.y[slot] = y as u32;
    world.v[slot] = if ticks == 0 { 0 } else { pack_velocity(vx, vy) };
    world.life[slot] = life(ticks, by);
}

fn first_hit<const N: usize>(
    world: &Columns<'_, N>,
    x: i32,
    y: i32,
    targets: u32,
    rules: &Compiled,
) -> Option<usize> {
    (0..PLAYERS).filter(|p| targets >> p & 1 != 0).find(|p| {
        let (dx, dy) = (x - world.player_x[*p] as i32, y - world.player_y[*p] as i32);
        near(dx, dy, rules.hit_margin) && hit(dx, dy, rules.hit_radius_squared)
    })
}
