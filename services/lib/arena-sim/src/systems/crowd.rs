//! Drones: they stand up, follow the flow field to the nearest player, and bite.
use super::{Driver, Impacts, SPAWN_CANDIDATES, SPAWN_STREAM};
use crate::PLAYERS;
use crate::input::Input;
use crate::movement::{Motion, Movement};
use crate::rules::crowd::{
    FAR, drone_bite, drone_health, drone_wait, hurt_drone, pack_drone, pull, rank_way, relax,
};
use crate::rules::hash::rng;
use crate::rules::hit::{hit, near};
use crate::rules::space::{cell_at, middle, pack_velocity, velocity_x, velocity_y};
use crate::ruleset::Compiled;
use crate::slab::{self, Columns, Crowd, DRONES, FIELD};

/// The random numbers of drone `i` are those of player `16 + i`.
const FIRST_DRONE: u32 = 16;

/// Distances of the 256 cells.
pub(super) type Cells = [[u8; 16]; 16];

/// Bytes from one row of a [`Field`] to the next.
pub(crate) const FIELD_ROW: usize = 20;

/// Distances in a frame of cells that nobody can be reached from: that of (`column`, `row`) is at
/// `(row + 1) * FIELD_ROW + column + 1`, and four bytes can be read from any neighbour's on.
pub(crate) type Field = [u8; 18 * FIELD_ROW];

/// Lets every drone act by the field as the last tick left it, then makes the next field from the old one
/// and the cells where players stand.
#[inline(always)]
pub(super) fn act<const N: usize, D: Driver<N>>(
    world: &mut Columns<'_, N>,
    alive: u32,
    chart: &D::Chart,
    rules: &Compiled,
    impacts: &mut Impacts,
    driver: D,
) {
    let Some(crowd) = &world.crowd else { return };
    let field = unpack(crowd.field);
    let mut rising = driver.walk(world, alive, chart, &field, rules, impacts);
    let Some(crowd) = &mut world.crowd else { return };
    let (tick, seed) = (world.header[slab::TICK], world.header[slab::SEED]);
    while rising != 0 {
        let i = rising.trailing_zeros() as usize % DRONES;
        rising &= rising - 1;
        let random = |n| rng(seed, tick, FIRST_DRONE + i as u32, SPAWN_STREAM + n);
        let (x, y) = stand_up(random, &field, rules);
        (crowd.x[i], crowd.y[i]) = (x as u32, y as u32);
        crowd.status[i] = pack_drone(rules.drone_health, rules.bite_pause_ticks, 0);
    }
    let mut stood = [0; 16];
    let targets = Targets { x: world.player_x, y: world.player_y, alive };
    targets.each(|_, x, y| {
        let cell = cell_at(x, y) as usize;
        stood[cell >> 4 & 15] |= 1 << (cell & 15);
    });
    pack(&driver.relax(&field, &stood, rules), crowd.field);
}

/// Lets the standing drones walk and bite and the others wait, one by one; returns those that stand up now.
#[inline(always)]
pub(super) fn walk_each<const N: usize>(
    world: &mut Columns<'_, N>,
    alive: u32,
    field: &Field,
    rules: &Compiled,
    impacts: &mut Impacts,
) -> u64 {
    let Some(crowd) = &mut world.crowd else { return 0 };
    let targets = Targets { x: world.player_x, y: world.player_y, alive };
    let movement = Movement::of_drones(rules);
    let mut rising = 0;
    for i in 0..rules.drones as usize % (DRONES + 1) {
        let status = crowd.status[i];
        if drone_health(status) != 0 {
            walk(crowd, i, &targets, field, &movement);
            crowd.status[i] = bite(crowd, i, &targets, rules, impacts);
        } else {
            crowd.status[i] = pack_drone(0, 0, drone_wait(status).saturating_sub(1));
            rising |= u64::from(drone_wait(status) == 1) << i;
        }
    }
    rising
}

/// Takes the damage of the tick.
#[inline(always)]
pub(super) fn suffer<const N: usize>(
    world: &mut Columns<'_, N>,
    impacts: &Impacts,
    rules: &Compiled,
) {
    let Some(crowd) = &mut world.crowd else { return };
    for (i, damage) in impacts.drones.iter().enumerate() {
        if *damage == 0 {
            continue;
        }
        crowd.status[i] = hurt_drone(crowd.status[i], *damage, rules.drone_respawn_ticks);
        if drone_health(crowd.status[i]) == 0 {
            crowd.v[i] = 0;
        }
    }
}

/// Returns the first drone of `candidates` that a projectile at a place hits.
#[inline(always)]
pub(super) fn first_hit(
    crowd: &Crowd<'_>,
    x: i32,
    y: i32,
    candidates: u64,
    rules: &Compiled,
) -> Option<usize> {
    let mut left = candidates;
    while left != 0 {
        let i = left.trailing_zeros() as usize % DRONES;
        left &= left - 1;
        let (dx, dy) = (x - crowd.x[i] as i32, y - crowd.y[i] as i32);
        if drone_health(crowd.status[i]) != 0
            && near(dx, dy, rules.hit_margin)
            && hit(dx, dy, rules.hit_radius_squared)
        {
            return Some(i);
        }
    }
    None
}

/// The living players.
struct Targets<'a> {
    x: &'a [u32; PLAYERS],
    y: &'a [u32; PLAYERS],
    alive: u32,
}

impl Targets<'_> {
    #[inline(always)]
    fn each(&self, mut look: impl FnMut(usize, i32, i32)) {
        let mut left = self.alive;
        while left != 0 {
            let p = left.trailing_zeros() as usize % PLAYERS;
            left &= left - 1;
            look(p, self.x[p] as i32, self.y[p] as i32);
        }
    }

    /// Returns the first seat that passes `test`.
    #[inline(always)]
    fn first(&self, test: impl Fn(i32, i32) -> bool) -> Option<usize> {
        let mut found = None;
        self.each(|p, x, y| {
            if found.is_none() && test(x, y) {
                found = Some(p);
            }
        });
        found
    }
}

#[inline(always)]
fn walk(crowd: &mut Crowd<'_>, i: usize, targets: &Targets<'_>, field: &Field, by: &Movement) {
    let before = Motion {
        x: crowd.x[i] as i32,
        y: crowd.y[i] as i32,
        vx: velocity_x(crowd.v[i]),
        vy: velocity_y(crowd.v[i]),
    };
    let goal = goal_of(before.x, before.y, i as u32, targets, field);
    let (goal_x, goal_y) = goal.unwrap_or((before.x, before.y));
    let (move_x, move_y) = (pull(before.x, goal_x) as i8, pull(before.y, goal_y) as i8);
    let after = by.step(before, Input { move_x, move_y, ..Input::default() });
    crowd.x[i] = after.x as u32;
    crowd.y[i] = after.y as u32;
    crowd.v[i] = pack_velocity(after.vx, after.vy);
}

/// Returns where a drone goes: to the first player in its own cell, else to the middle of the next cell.
#[inline(always)]
fn goal_of(x: i32, y: i32, drone: u32, targets: &Targets<'_>, field: &Field) -> Option<(i32, i32)> {
    let cell = cell_at(x, y);
    if let Some(p) = targets.first(|px, py| cell_at(px, py) == cell) {
        return Some((targets.x[p] as i32, targets.y[p] as i32));
    }
    let (column, row) = (cell as i32 & 15, cell as i32 >> 4);
    let own = at(field, column, row);
    let mut best = (u32::MAX, 0, 0);
    for (way, (dx, dy)) in [(1, 0), (0, 1), (-1, 0), (0, -1)].into_iter().enumerate() {
        let distance = at(field, column + dx, row + dy);
        let rank = rank_way(distance, way as u32, drone);
        if distance < own && rank < best.0 {
            best = (rank, column + dx, row + dy);
        }
    }
    (best.0 != u32::MAX).then(|| (middle(best.1 as u32), middle(best.2 as u32)))
}

/// Returns the distance of a cell or of one beside the border, from where nobody can be reached.
#[inline(always)]
fn at(field: &Field, column: i32, row: i32) -> u32 {
    u32::from(field[(row + 1) as usize * FIELD_ROW + (column + 1) as usize])
}

/// Returns the status after this tick's bite, if there is someone to bite.
#[inline(always)]
fn bite(
    crowd: &Crowd<'_>,
    i: usize,
    targets: &Targets<'_>,
    rules: &Compiled,
    impacts: &mut Impacts,
) -> u32 {
    let status = crowd.status[i];
    let wait = drone_bite(status).saturating_sub(1);
    let (x, y) = (crowd.x[i] as i32, crowd.y[i] as i32);
    let in_reach = |px: i32, py: i32| {
        near(px - x, py - y, rules.hit_margin) && hit(px - x, py - y, rules.hit_radius_squared)
    };
    let victim = if wait == 0 { targets.first(in_reach) } else { None };
    let Some(victim) = victim else { return pack_drone(drone_health(status), wait, 0) };
    impacts.bite(victim, rules.bite_damage);
    pack_drone(drone_health(status), rules.bite_pause_ticks, 0)
}

/// Returns the middle of the candidate farthest from all players.
#[inline(always)]
fn stand_up(random: impl Fn(u32) -> u32, field: &Field, rules: &Compiled) -> (i32, i32) {
    let (mut best, mut chosen) = (-1, 0);
    for n in 0..SPAWN_CANDIDATES {
        let cell = rules.floor[(random(n) >> 16) as usize % rules.floor.len()];
        let distance = at(field, i32::from(cell & 15), i32::from(cell >> 4)) as i32;
        if distance > best {
            (best, chosen) = (distance, u32::from(cell));
        }
    }
    (middle(chosen & 15), middle(chosen >> 4))
}

fn unpack(words: &[u32; FIELD]) -> Field {
    let mut field = [FAR as u8; 18 * FIELD_ROW];
    for (row, words) in words.as_chunks::<4>().0.iter().enumerate() {
        let start = (row + 1) * FIELD_ROW + 1;
        let cells = words.map(u32::to_le_bytes);
        field[start..start + 16].copy_from_slice(cells.as_flattened());
    }
    field
}

fn pack(cells: &Cells, words: &mut [u32; FIELD]) {
    for (word, cells) in words.iter_mut().zip(cells.as_flattened().as_chunks().0) {
        *word = u32::from_le_bytes(*cells);
    }
}

/// The specification: cell by cell.
pub(super) fn relax_each(field: &Field, stood: &[u16; 16], rules: &Compiled) -> Cells {
    std::array::from_fn(|row| {
        std::array::from_fn(|column| {
            let (x, y) = (column as i32, row as i32);
            let wall = rules.wall_rows[row] >> column & 1 != 0;
            let stood_on = stood[row] >> column & 1 != 0;
            let [right, below, left, above] = [(x + 1, y), (x, y + 1), (x - 1, y), (x, y - 1)]
                .map(|(column, row)| at(field, column, row));
            relax(wall, stood_on, right, below, left, above) as u8
        })
    })
}

/// The same, a row of sixteen bytes at a time.
#[inline(always)]
pub(super) fn relax_rows(field: &Field, stood: &[u16; 16], rules: &Compiled) -> Cells {
    let from = |start: usize| field[start..].first_chunk::<16>().expect("the frame has room");
    let mut next = [[0; 16]; 16];
    for (row, next) in next.iter_mut().enumerate() {
        let start = row * FIELD_ROW;
        let (above, below) = (from(start + 1), from(start + 2 * FIELD_ROW + 1));
        let (left, right) = (from(start + FIELD_ROW), from(start + FIELD_ROW + 2));
        for column in 0..16 {
            let least = above[column].min(below[column]).min(left[column].min(right[column]));
            next[column] = least.saturating_add(1) | rules.wall_cells[row][column];
        }
    }
    for (row, stood) in stood.iter().enumerate() {
        let mut left = *stood;
        while left != 0 {
            let column = left.trailing_zeros() as usize & 15;
            left &= left - 1;
            next[row][column] = rules.wall_cells[row][column];
        }
    }
    next
}
