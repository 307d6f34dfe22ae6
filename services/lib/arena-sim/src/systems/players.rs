//! Seats change hands, players respawn and move, triggers are pulled.
use crate::PLAYERS;
use crate::input::{Input, SeatInputs, buttons};
use crate::movement::{Motion, Movement};
use crate::output::TickOutput;
use crate::rules::hash::rng;
use crate::rules::space::{METRE, middle, pack_velocity, velocity_x, velocity_y};
use crate::rules::status;
use crate::rules::teams::{fade, team_of};
use crate::ruleset::Compiled;
use crate::slab::{self, Columns};
use crate::systems::flight::clear;
use crate::systems::{SPAWN_CANDIDATES, SPAWN_STREAM, capture};

/// Masks of seats.
#[derive(Default)]
pub(super) struct Acts {
    pub(super) alive: u32,
    pub(super) fired: u32,
    pub(super) spawned: u32,
    pub(super) joined: u32,
    pub(super) left: u32,
}

#[inline(always)]
pub(super) fn act<const N: usize>(
    world: &mut Columns<'_, N>,
    inputs: &SeatInputs,
    rules: &Compiled,
    output: &mut TickOutput,
    play: impl FnOnce(&mut Columns<'_, N>, u32) -> u32,
) -> Acts {
    let mut acts = Acts::default();
    if !rules.pickups.is_empty() {
        for effects in world.effects.iter_mut() {
            *effects = fade(*effects);
        }
    }
    let before = standing(world);
    let (old_x, old_y) = (*world.player_x, *world.player_y);
    seat(world, inputs, &mut acts);
    capture::drop_flags(world, acts.left, rules, output);
    let playing = if acts.joined | acts.left == 0 { before } else { standing(world) };
    acts.fired = play(world, playing);
    acts.alive = playing;
    let mut waiting = world.header[slab::SEATS] & 0xffff & !playing;
    while waiting != 0 {
        let p = waiting.trailing_zeros() as usize % PLAYERS;
        waiting &= waiting - 1;
        if wait(world, p, inputs[p].aim, rules) {
            spawn(world, p, &old_x, &old_y, before & !(1 << p), rules);
            acts.spawned |= 1 << p;
            acts.alive |= 1 << p;
        }
    }
    acts
}

/// Moves and aims the players in `playing`, one by one, and returns who fires.
#[inline(always)]
pub(super) fn play_all<const N: usize>(
    world: &mut Columns<'_, N>,
    playing: u32,
    inputs: &SeatInputs,
    rules: &Compiled,
) -> u32 {
    let movement = Movement::of_compiled(rules);
    let (mut fired, mut left) = (0, playing);
    while left != 0 {
        let p = left.trailing_zeros() as usize % PLAYERS;
        left &= left - 1;
        fired |= u32::from(play(world, p, inputs[p], &movement, rules)) << p;
    }
    fired
}

/// Returns who stands in the arena: before the tick, what respawning players keep away from.
#[inline(always)]
fn standing<const N: usize>(world: &Columns<'_, N>) -> u32 {
    let mut mask = 0;
    for p in 0..PLAYERS {
        mask |= u32::from(status::respawn(world.status[p]) == 0) << p;
    }
    mask & world.header[slab::SEATS] & 0xffff
}

/// Empties and fills seats; projectiles of a seat whose player is gone vanish with it.
#[inline(always)]
fn seat<const N: usize>(world: &mut Columns<'_, N>, inputs: &SeatInputs, acts: &mut Acts) {
    let any = inputs.iter().fold(0, |all, input| all | input.buttons);
    if any & (buttons::JOIN | buttons::LEAVE) == 0 {
        return;
    }
    let mut seats = world.header[slab::SEATS];
    let mut emptied = 0;
    for (p, input) in inputs.iter().enumerate() {
        let own = 1 << p | 1 << (p + PLAYERS);
        if input.buttons & buttons::LEAVE != 0 && seats >> p & 1 != 0 {
            seats &= !own;
            emptied |= 1 << p;
            world.status[p] = 0;
            world.player_v[p] = 0;
            world.effects[p] = 0;
            acts.left |= 1 << p;
        }
        if input.buttons & buttons::JOIN != 0 {
            if seats >> p & 1 == 0 {
                emptied |= 1 << p;
                world.status[p] = status::pack_status(0, 0, 0, 1);
                world.score[p] = 0;
            }
            let bot = u32::from(input.buttons & buttons::BOT != 0);
            seats = seats & !own | 1 << p | bot << (p + PLAYERS);
            acts.joined |= 1 << p;
        }
    }
    world.header[slab::SEATS] = seats;
    vanish(world, emptied);
}

fn vanish<const N: usize>(world: &mut Columns<'_, N>, owners: u32) {
    for slot in 0..N {
        let gone = owners >> crate::rules::projectile::owner(world.life[slot]) & 1 != 0;
        if gone {
            clear(world, slot, 0);
        }
    }
}

/// Counts one tick of waiting down and says whether it was the last.
#[inline(always)]
fn wait<const N: usize>(world: &mut Columns<'_, N>, p: usize, aim: u8, rules: &Compiled) -> bool {
    let left = status::respawn(world.status[p]) - 1;
    let health = if left == 0 { rules.health } else { 0 };
    world.status[p] = status::pack_status(health, u32::from(aim), 0, left);
    left == 0
}

/// Puts a player on the candidate farthest from the nearest of `others`, who stood at `x`, `y`.
fn spawn<const N: usize>(
    world: &mut Columns<'_, N>,
    p: usize,
    x: &[u32; PLAYERS],
    y: &[u32; PLAYERS],
    others: u32,
    rules: &Compiled,
) {
    let (tick, seed) = (world.header[slab::TICK], world.header[slab::SEED]);
    let mut best = (-1, 0, 0);
    for n in 0..SPAWN_CANDIDATES {
        let random = rng(seed, tick, p as u32, SPAWN_STREAM + n);
        let (sx, sy) = place(random, &rules.spawns[team_of(p as u32) as usize]);
        let mut room = i32::MAX;
        for q in 0..PLAYERS {
            if others >> q & 1 != 0 {
                room = room.min((x[q] as i32 - sx).abs() + (y[q] as i32 - sy).abs());
            }
        }
        if room > best.0 {
            best = (room, sx, sy);
        }
    }
    world.player_x[p] = best.1 as u32;
    world.player_y[p] = best.2 as u32;
    world.player_v[p] = 0;
}

/// Returns a place up to half a metre from the centre of a free cell, where every body fits.
fn place(random: u32, cells: &[u8]) -> (i32, i32) {
    let cell = u32::from(cells[((random >> 16) as usize) % cells.len()]);
    let jitter = |bits: u32| ((bits & 255) as i32 - 128) * (METRE / 256);
    (middle(cell & 15) + jitter(random), middle(cell >> 4) + jitter(random >> 8))
}

/// Moves and aims a living player and says whether it fires.
#[inline(always)]
fn play<const N: usize>(
    world: &mut Columns<'_, N>,
    p: usize,
    input: Input,
    movement: &Movement,
    rules: &Compiled,
) -> bool {
    let before = Motion {
        x: world.player_x[p] as i32,
        y: world.player_y[p] as i32,
        vx: velocity_x(world.player_v[p]),
        vy: velocity_y(world.player_v[p]),
    };
    let after = movement.step(before, input);
    world.player_x[p] = after.x as u32;
    world.player_y[p] = after.y as u32;
    world.player_v[p] = pack_velocity(after.vx, after.vy);
    let state = world.status[p];
    let ready = status::cooldown(state).saturating_sub(1);
    let fires = input.buttons & buttons::FIRE != 0 && ready == 0;
    let cooldown = if fires { rules.cooldown_ticks } else { ready };
    world.status[p] = status::pack_status(status::health(state), u32::from(input.aim), cooldown, 0);
    fires
}
