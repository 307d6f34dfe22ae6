//! Who is in reach of a place, by its row and column of strips: half as wide as cells, so that few are
//! named who turn out to be too far.
//!
//! A player is in reach of a rectangle of strips, so the players at a place are those of its row *and* of
//! its column: two small tables instead of a grid.
use super::flight::Near;
use crate::PLAYERS;
use crate::rules::crowd::drone_health;
use crate::rules::space::{ARENA, CELL_SHIFT, lane};
use crate::ruleset::Compiled;
use crate::slab::{Columns, DRONES};

/// Strips an axis.
pub(crate) const STRIPS: usize = 32;
/// A position shifted right by this is a strip.
pub(crate) const STRIP_SHIFT: u32 = CELL_SHIFT - 1;

/// Bit p = player p is in reach of some place in the strip.
#[derive(Clone, Copy)]
pub(crate) struct Strips {
    pub(crate) rows: [u32; STRIPS],
    pub(crate) columns: [u32; STRIPS],
    /// Cells, not strips, that a drone reaches: bit `column` of each row.
    pub(crate) drones: [u16; 16],
}

impl Strips {
    /// Marks what the players in `alive` and the standing drones reach.
    #[inline(always)]
    pub(crate) fn of<const N: usize>(world: &Columns<'_, N>, alive: u32, rules: &Compiled) -> Self {
        let mut all = Self { rows: [0; STRIPS], columns: [0; STRIPS], drones: [0; 16] };
        let mut left = alive;
        while left != 0 {
            let p = left.trailing_zeros() as usize % PLAYERS;
            left &= left - 1;
            mark(&mut all.columns, world.player_x[p], 1 << p, rules);
            mark(&mut all.rows, world.player_y[p], 1 << p, rules);
        }
        if let Some(crowd) = &world.crowd {
            for i in 0..rules.drones as usize % (DRONES + 1) {
                let stands = u16::from(drone_health(crowd.status[i]) != 0);
                let (left, right) = reach(crowd.x[i], CELL_SHIFT, rules);
                let columns = stands << (left & 15) | stands << (right & 15);
                let (low, high) = reach(crowd.y[i], CELL_SHIFT, rules);
                all.drones[low & 15] |= columns;
                all.drones[high & 15] |= columns;
            }
        }
        all
    }

    /// Returns what is worth a test at a place.
    #[inline(always)]
    pub(crate) fn near(&self, x: i32, y: i32) -> Near {
        let players = self.rows[strip(y)] & self.columns[strip(x)];
        let drones = self.drones[lane(y) as usize & 15] >> lane(x) & 1 != 0;
        Near { players, drones }
    }
}

/// Marks the strips that a body at `place` reaches: a reach is shorter than a cell, so one to three.
#[inline(always)]
fn mark(strips: &mut [u32; STRIPS], place: u32, player: u32, rules: &Compiled) {
    let (low, high) = reach(place, STRIP_SHIFT, rules);
    strips[low % STRIPS] |= player;
    strips[usize::midpoint(low, high) % STRIPS] |= player;
    strips[high % STRIPS] |= player;
}

/// Returns the first and the last lane, `1 << shift` wide, that a body at `place` reaches.
#[inline(always)]
fn reach(place: u32, shift: u32, rules: &Compiled) -> (usize, usize) {
    let (low, high) = (place as i32 - rules.hit_margin, place as i32 + rules.hit_margin);
    let last = (ARENA - 1) >> shift;
    ((low >> shift).max(0) as usize, (high >> shift).min(last) as usize)
}

#[inline(always)]
fn strip(x: i32) -> usize {
    (x >> STRIP_SHIFT).clamp(0, STRIPS as i32 - 1) as usize % STRIPS
}
