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
use crate::slab::{Crowd, DRONES};

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
    /// Marks what the players in `alive` reach.
    #[inline(always)]
    pub(super) fn of(x: &[u32; PLAYERS], y: &[u32; PLAYERS], alive: u32, rules: &Compiled) -> Self {
        let mut all = Self { rows: [0; STRIPS], columns: [0; STRIPS], drones: [0; 16] };
        let mut left = alive;
        while left != 0 {
            let p = left.trailing_zeros() as usize % PLAYERS;
            left &= left - 1;
            mark(&mut all.columns, x[p], 1 << p, rules);
            mark(&mut all.rows, y[p], 1 << p, rules);
        }
        all
    }

    /// Marks what the standing drones reach.
    #[inline(always)]
    pub(super) fn add_drones(&mut self, crowd: &Crowd<'_>, rules: &Compiled) {
        // Two loops, so that the first is vectorised.
        let (mut columns, mut rows) = ([0; DRONES], [[0; 2]; DRONES]);
        for i in 0..DRONES {
            let stands = u32::from(drone_health(crowd.status[i]) != 0);
            let (left, right) = reach(crowd.x[i], CELL_SHIFT, rules);
            columns[i] = stands << left | stands << right;
            let (low, high) = reach(crowd.y[i], CELL_SHIFT, rules);
            rows[i] = [low, high];
        }
        for i in 0..DRONES {
            for row in rows[i] {
                self.drones[row as usize & 15] |= columns[i] as u16;
            }
        }
    }

    /// Returns what is worth a test at a place.
    #[inline(always)]
    pub(super) fn near(&self, x: i32, y: i32) -> Near {
        let players = self.rows[strip(y)] & self.columns[strip(x)];
        let drones = self.drones[lane(y) as usize & 15] >> lane(x) & 1 != 0;
        Near { players, drones }
    }
}

/// Marks the strips that a body at `place` reaches: a reach is shorter than a cell, so one to three.
#[inline(always)]
fn mark(strips: &mut [u32; STRIPS], place: u32, player: u32, rules: &Compiled) {
    let (low, high) = reach(place, STRIP_SHIFT, rules);
    for strip in [low, u32::midpoint(low, high), high] {
        strips[strip as usize % STRIPS] |= player;
    }
}

/// Returns the first and the last lane, `1 << shift` wide, that a body at `place` reaches.
#[inline(always)]
fn reach(place: u32, shift: u32, rules: &Compiled) -> (u32, u32) {
    let (low, high) = (place as i32 - rules.hit_margin, place as i32 + rules.hit_margin);
    let last = (ARENA - 1) >> shift;
    ((low >> shift).max(0) as u32, (high >> shift).min(last) as u32)
}

#[inline(always)]
fn strip(x: i32) -> usize {
    (x >> STRIP_SHIFT).clamp(0, STRIPS as i32 - 1) as usize % STRIPS
}
