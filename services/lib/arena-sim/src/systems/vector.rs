//! The same, but most projectiles are only read: a scan without branches finds the few that meet something
//! this tick (a player in reach, a wall, the border, their age), and only those are looked at one by one.
//!
//! A player is in reach of a rectangle of cells, so the players at a cell are those of its row *and* of
//! its column: two tables of 16 words, small enough for registers.
use super::flight::fly;
use super::{Impacts, step_with};
use crate::PLAYERS;
use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::rules::projectile::{age, is_live, owner, place_at};
use crate::rules::space::{ARENA, CELL_SHIFT, lane, velocity_x, velocity_y};
use crate::ruleset::Compiled;
use crate::slab::{self, Columns};

/// Room for one bit a slot of the largest class.
pub(crate) const MARKS: usize = 2_048 / 8;

/// What a place's row and column say about it.
pub(crate) struct Lanes {
    /// Low half: players in reach of the row; high half: the row's walls, bit 16 + column.
    pub(crate) rows: [u32; 16],
    /// Players in reach of the column.
    pub(crate) columns: [u32; 16],
}

/// A way to find the slots that meet something.
pub(crate) trait Scan {
    /// Marks slot i by bit `i & 7` of `marks[i >> 3]` if it meets anything when `tick` ticks are done.
    ///
    /// `next` is the slab that is stepped after this one: the time to fetch it from memory is now.
    fn scan<const N: usize>(
        self,
        world: &Columns<'_, N>,
        lanes: &Lanes,
        tick: u32,
        lifetime_ticks: u32,
        next: &[u32],
        marks: &mut [u8; MARKS],
    );
}

/// Advances one slab by a tick; compiled once per instruction set by being inlined.
#[inline(always)]
pub(crate) fn step<const N: usize>(
    slab: &mut [u32],
    inputs: &SeatInputs,
    rules: &Compiled,
    next: &[u32],
    scan: impl Scan,
) -> TickOutput {
    step_with::<N>(slab, inputs, rules, |world, alive, rules| {
        let lanes = Lanes::of(world, alive, rules);
        let mut marks = [0; MARKS];
        scan.scan(
            world,
            &lanes,
            world.header[slab::TICK] + 1,
            rules.lifetime_ticks,
            next,
            &mut marks,
        );
        let mut impacts = Impacts::none();
        for (group, marks) in marks[..N / 8].as_chunks::<8>().0.iter().enumerate() {
            let mut left = u64::from_le_bytes(*marks);
            while left != 0 {
                let slot = (group * 64 + left.trailing_zeros() as usize) & (N - 1);
                left &= left - 1;
                fly(world, slot, rules, |x, y| lanes.players_at(x, y), &mut impacts);
            }
        }
        impacts
    })
}

impl Lanes {
    #[inline(always)]
    fn of<const N: usize>(world: &Columns<'_, N>, alive: u32, rules: &Compiled) -> Self {
        let mut lanes = Self { rows: rules.wall_rows, columns: [0; 16] };
        let reach = |c: i32| {
            let (low, high) = (c - rules.hit_margin, c + rules.hit_margin);
            ((low >> CELL_SHIFT).max(0) as usize, (high >> CELL_SHIFT).min(15) as usize)
        };
        let mut left = alive;
        while left != 0 {
            let p = left.trailing_zeros() as usize % PLAYERS;
            left &= left - 1;
            let (low, high) = reach(world.player_x[p] as i32);
            // A reach is shorter than a cell: it covers one lane or two.
            lanes.columns[low & 15] |= 1 << p;
            lanes.columns[high & 15] |= 1 << p;
            let (low, high) = reach(world.player_y[p] as i32);
            lanes.rows[low & 15] |= 1 << p;
            lanes.rows[high & 15] |= 1 << p;
        }
        lanes
    }

    #[inline(always)]
    fn players_at(&self, x: i32, y: i32) -> u32 {
        self.rows[lane(y) as usize & 15] & self.columns[lane(x) as usize & 15] & 0xffff
    }
}

/// The scan for any machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Scan for Portable {
    #[inline(always)]
    fn scan<const N: usize>(
        self,
        world: &Columns<'_, N>,
        lanes: &Lanes,
        tick: u32,
        lifetime_ticks: u32,
        _next: &[u32],
        marks: &mut [u8; MARKS],
    ) {
        for slot in 0..N {
            let (v, life) = (world.v[slot], world.life[slot]);
            if !is_live(life) {
                continue;
            }
            let flown = age(life, tick);
            let x = place_at(world.x[slot] as i32, velocity_x(v), flown);
            let y = place_at(world.y[slot] as i32, velocity_y(v), flown);
            let outside = x.min(y) < 0 || x.max(y) > ARENA;
            let row = lanes.rows[lane(y) as usize & 15];
            let column = lane(x) as usize & 15;
            let players = row & lanes.columns[column] & 0xffff & !(1 << owner(life));
            let wall = row >> (16 + column) & 1;
            let meets = outside || flown >= lifetime_ticks || players | wall != 0;
            marks[slot / 8] |= u8::from(meets) << (slot % 8);
        }
    }
}
