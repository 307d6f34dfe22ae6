//! The state of one match: a slab of words, columns inside.
//!
//! Header (16 words), six columns of 16 player words, 16 pick-up words, four columns of N projectile
//! words, and, where the rules have drones, four columns of 64 drone words and their flow field; see the
//! constants. Words are little-endian wherever they are bytes. Matches lie back to back, each padded to
//! a multiple of 64 words, so that lane i of a GPU and vector i of a CPU touch neighbours.
use crate::rules::crowd::pack_drone;
use crate::ruleset::{Capacity, Compiled};

/// Seats of a match.
pub const PLAYERS: usize = arena_sdk::SEATS;
/// Drones of a match, at most.
pub const DRONES: usize = 64;
/// Pick-ups of a match, at most.
pub const PICKUPS: usize = 16;
/// Grows when the layout or any rule changes what a slab means: the golden hashes change with it.
pub const SCHEMA: u32 = 2;

/// Words of the header.
pub(crate) const HEADER: usize = 16;
/// Header: ticks stepped so far.
pub(crate) const TICK: usize = 0;
/// Header: the seed.
pub(crate) const SEED: usize = 1;
/// Header: the projectile slot that is filled next.
pub(crate) const CURSOR: usize = 2;
/// Header: bit 0 finished, bits 8.. the reason.
pub(crate) const FLAGS: usize = 3;
/// Header: version and hash (low, high) of the rules, three words.
pub(crate) const RULES: usize = 4;
/// Header: bit p = seat p is taken, bit 16 + p = by a bot.
pub(crate) const SEATS: usize = 7;
/// Header: scores of the teams, 16 bits each, the first team's low.
pub(crate) const TEAM_SCORES: usize = 8;
/// Header: state, x and y of each team's flag.
pub(crate) const FLAG_OF: [usize; 2] = [9, 12];
/// Header: the first of the spare words, all zero.
pub(crate) const SPARE: usize = 15;

/// Where the players' columns start: x, y, velocity, status, score, effects.
pub(crate) const PLAYER_COLUMNS: usize = HEADER;
/// Where the pick-ups' words start: ticks until each is there again.
pub(crate) const PICKUP_COLUMN: usize = PLAYER_COLUMNS + 6 * PLAYERS;
/// Where the projectiles' columns start: x, y, velocity, life.
pub(crate) const PROJECTILE_COLUMNS: usize = PICKUP_COLUMN + PICKUPS;
/// Words of the flow field: a byte a cell.
pub(crate) const FIELD: usize = 64;
/// Words of the drones: x, y, velocity, status, and the flow field.
const CROWD: usize = 4 * DRONES + FIELD;

/// Slabs start at multiples of this many words: 256 B, a GPU's binding alignment.
const ALIGNMENT: usize = 64;

/// Returns where the drones' columns start.
pub(crate) const fn drone_columns(projectiles: usize) -> usize {
    PROJECTILE_COLUMNS + 4 * projectiles
}

/// Returns the words of a slab.
pub(crate) const fn words(capacity: Capacity) -> usize {
    let crowd = if capacity.has_drones() { CROWD } else { 0 };
    drone_columns(capacity.projectiles()) + crowd
}

/// Returns the words from one slab to the next.
pub(crate) const fn stride(capacity: Capacity) -> usize {
    words(capacity).div_ceil(ALIGNMENT) * ALIGNMENT
}

/// A slab's columns.
pub(crate) struct Columns<'a, const N: usize> {
    pub(crate) header: &'a mut [u32; HEADER],
    pub(crate) player_x: &'a mut [u32; PLAYERS],
    pub(crate) player_y: &'a mut [u32; PLAYERS],
    pub(crate) player_v: &'a mut [u32; PLAYERS],
    pub(crate) status: &'a mut [u32; PLAYERS],
    pub(crate) score: &'a mut [u32; PLAYERS],
    pub(crate) effects: &'a mut [u32; PLAYERS],
    pub(crate) pickups: &'a mut [u32; PICKUPS],
    pub(crate) x: &'a mut [u32; N],
    pub(crate) y: &'a mut [u32; N],
    pub(crate) v: &'a mut [u32; N],
    pub(crate) life: &'a mut [u32; N],
    /// Only where the rules have drones.
    pub(crate) crowd: Option<Crowd<'a>>,
}

/// The drones' columns and their flow field.
pub(crate) struct Crowd<'a> {
    pub(crate) x: &'a mut [u32; DRONES],
    pub(crate) y: &'a mut [u32; DRONES],
    pub(crate) v: &'a mut [u32; DRONES],
    pub(crate) status: &'a mut [u32; DRONES],
    /// Distance to the nearest player, a byte a cell, four cells a word.
    pub(crate) field: &'a mut [u32; FIELD],
}

#[inline(always)]
fn split<const N: usize>(slab: &mut [u32]) -> (&mut [u32; N], &mut [u32]) {
    slab.split_first_chunk_mut().expect("a slab holds all its columns")
}

impl<'a, const N: usize> Columns<'a, N> {
    /// Splits a slab of `words(capacity)` words exactly.
    #[inline(always)]
    pub(crate) fn of(slab: &'a mut [u32]) -> Self {
        let (header, slab) = split(slab);
        let (player_x, slab) = split(slab);
        let (player_y, slab) = split(slab);
        let (player_v, slab) = split(slab);
        let (status, slab) = split(slab);
        let (score, slab) = split(slab);
        let (effects, slab) = split(slab);
        let (pickups, slab) = split(slab);
        let (x, slab) = split(slab);
        let (y, slab) = split(slab);
        let (v, slab) = split(slab);
        let (life, slab) = split(slab);
        let crowd = (!slab.is_empty()).then(|| Crowd::of(slab));
        Self {
            header,
            player_x,
            player_y,
            player_v,
            status,
            score,
            effects,
            pickups,
            x,
            y,
            v,
            life,
            crowd,
        }
    }
}

impl<'a> Crowd<'a> {
    fn of(slab: &'a mut [u32]) -> Self {
        let (x, slab) = split(slab);
        let (y, slab) = split(slab);
        let (v, slab) = split(slab);
        let (status, slab) = split(slab);
        let (field, _) = split(slab);
        Self { x, y, v, status, field }
    }
}

/// Makes `slab` a match that has not begun: all seats empty, the drones about to come one by one.
pub(crate) fn begin(slab: &mut [u32], seed: u32, capacity: Capacity, rules: &Compiled) {
    slab.fill(0);
    slab[SEED] = seed;
    slab[RULES..RULES + 3].copy_from_slice(&rules.fingerprint());
    if capacity.has_drones() {
        let crowd = Crowd::of(&mut slab[drone_columns(capacity.projectiles())..]);
        crowd.field.fill(u32::MAX);
        for (i, status) in crowd.status.iter_mut().take(rules.drones as usize).enumerate() {
            *status = pack_drone(0, 0, 1 + i as u32);
        }
    }
}
