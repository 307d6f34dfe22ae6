//! The same in three passes: fly all (no branch), look every cell up (a gather), test the few that share
//! a cell with a player or a wall. A cell's mask has a bit for each player in reach and one for a wall.
use super::walls::strike;
use super::{Impacts, step_with};
use crate::PLAYERS;
use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::rules::hit::hit;
use crate::rules::projectile::{owner, reflect, reflected_velocity, spent, ticks_left};
use crate::rules::space::{CELL_SHIFT, WALL_BIT, cell, pack_velocity, velocity_x, velocity_y};
use crate::ruleset::Compiled;
use crate::slab::Columns;

/// Marks a projectile that flew this tick, between the passes; no life word uses the bit.
const FLEW: u32 = 1 << 31;
/// Candidates looked at together: mostly none, so that one test skips them all.
const GROUP: usize = 8;

/// Advances one slab by a tick; compiled once per instruction set by being inlined.
#[inline(always)]
pub(crate) fn step<const N: usize>(
    slab: &mut [u32],
    inputs: &SeatInputs,
    rules: &Compiled,
) -> TickOutput {
    step_with::<N>(slab, inputs, rules, |world, alive, rules| {
        let cells = cell_masks(world, alive, rules);
        let mut candidates = [0u32; N];
        fly_all(world, &mut candidates);
        look_up(world, &cells, &mut candidates);
        resolve(world, &candidates, rules)
    })
}

/// Returns each cell's players in reach, and walls.
#[inline(always)]
fn cell_masks<const N: usize>(world: &Columns<'_, N>, alive: u32, rules: &Compiled) -> [u32; 256] {
    let mut cells = rules.cells;
    for p in 0..PLAYERS {
        if alive >> p & 1 == 0 {
            continue;
        }
        let (x, y) = (world.player_x[p] as i32, world.player_y[p] as i32);
        let reach = |c: i32| {
            let (low, high) = (c - rules.hit_margin, c + rules.hit_margin);
            ((low >> CELL_SHIFT).max(0), (high >> CELL_SHIFT).min(15))
        };
        let ((x0, x1), (y0, y1)) = (reach(x), reach(y));
        for row in y0..=y1 {
            for column in x0..=x1 {
                cells[(row * 16 + column) as usize & 255] |= 1 << p;
            }
        }
    }
    cells
}

/// Moves every slot, free ones too (their velocity is 0), and leaves each one's cell in `cells`.
#[inline(always)]
fn fly_all<const N: usize>(world: &mut Columns<'_, N>, cells: &mut [u32; N]) {
    let Columns { x, y, v, life, .. } = world;
    for i in 0..N {
        let (vx, vy) = (velocity_x(v[i]), velocity_y(v[i]));
        let (flown_x, flown_y) = (x[i] as i32 + (vx << 4), y[i] as i32 + (vy << 4));
        let (to_x, to_y) = (reflect(flown_x), reflect(flown_y));
        let turned = pack_velocity(
            reflected_velocity(flown_x, to_x, vx),
            reflected_velocity(flown_y, to_y, vy),
        );
        let before = ticks_left(life[i]);
        let after = before.saturating_sub(1);
        x[i] = to_x as u32;
        y[i] = to_y as u32;
        v[i] = if after == 0 { 0 } else { turned };
        life[i] = after | spent(life[i]) | if before == 0 { 0 } else { FLEW };
        cells[i] = cell(to_x, to_y) as u32;
    }
}

/// Turns each slot's cell into the mask of what it may meet there, 0 for free slots.
#[inline(always)]
fn look_up<const N: usize>(world: &mut Columns<'_, N>, masks: &[u32; 256], cells: &mut [u32; N]) {
    for (candidate, life) in cells.iter_mut().zip(world.life.iter_mut()) {
        let flew = (*life as i32 >> 31) as u32;
        let own = 1u32 << owner(*life);
        *candidate = masks[(*candidate & 255) as usize] & !own & flew;
        *life &= !FLEW;
    }
}

#[inline(always)]
fn resolve<const N: usize>(
    world: &mut Columns<'_, N>,
    candidates: &[u32; N],
    rules: &Compiled,
) -> Impacts {
    let mut impacts = Impacts::none();
    for (group, masks) in candidates.chunks_exact(GROUP).enumerate() {
        if masks.iter().fold(0, |all, mask| all | mask) == 0 {
            continue;
        }
        for (i, mask) in masks.iter().enumerate() {
            let slot = group * GROUP + i;
            if mask & WALL_BIT != 0 {
                meet_wall(world, slot, rules);
            } else if *mask != 0 {
                meet_players(world, slot, *mask, rules, &mut impacts);
            }
        }
    }
    impacts
}

#[inline(always)]
fn meet_wall<const N: usize>(world: &mut Columns<'_, N>, slot: usize, rules: &Compiled) {
    let (x, y, v) = (world.x[slot] as i32, world.y[slot] as i32, world.v[slot]);
    match strike(x, y, velocity_x(v), velocity_y(v), rules) {
        Some(turned) if ticks_left(world.life[slot]) != 0 => {
            world.x[slot] = turned.x as u32;
            world.y[slot] = turned.y as u32;
            world.v[slot] = pack_velocity(turned.vx, turned.vy);
        }
        _ => end(world, slot),
    }
}

#[inline(always)]
fn meet_players<const N: usize>(
    world: &mut Columns<'_, N>,
    slot: usize,
    mask: u32,
    rules: &Compiled,
    impacts: &mut Impacts,
) {
    let mut left = mask;
    while left != 0 {
        let p = left.trailing_zeros() as usize % PLAYERS;
        left &= left - 1;
        let dx = world.x[slot] as i32 - world.player_x[p] as i32;
        let dy = world.y[slot] as i32 - world.player_y[p] as i32;
        if hit(dx, dy, rules.hit_radius_squared) {
            impacts.add(p, slot, owner(world.life[slot]), rules.damage);
            end(world, slot);
            return;
        }
    }
}

#[inline(always)]
fn end<const N: usize>(world: &mut Columns<'_, N>, slot: usize) {
    world.life[slot] = spent(world.life[slot]);
    world.v[slot] = 0;
}
