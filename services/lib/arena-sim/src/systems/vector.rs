//! The same, but most projectiles are only read: a scan without branches finds the few that meet something
//! this tick (a player or drone in reach, a wall, the border, their age), and only those are looked at one
//! by one.
//!
//! A player is in reach of a rectangle of cells, so the players at a cell are those of its row *and* of
//! its column: two tables of 16 words, small enough for registers.
use super::crowd::{Field, relax_rows};
use super::flight::{Near, fly, graze};
use super::{Driver, Impacts, players, step_with};
use crate::PLAYERS;
use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::rules::crowd::drone_health;
use crate::rules::projectile::{age, is_live, owner, place_at};
use crate::rules::space::{ARENA, CELL_SHIFT, lane, velocity_x, velocity_y};
use crate::rules::teams::spared;
use crate::ruleset::Compiled;
use crate::slab::{self, Columns};

/// Room for one bit a slot of the largest class.
pub(crate) const MARKS: usize = 2_048 / 8;

/// Slots by bit `i & 7` of byte `i >> 3`.
pub(crate) struct Marks {
    /// Those that meet the border, a wall or their age, and maybe a player.
    pub(crate) turning: [u8; MARKS],
    /// Those that are near a drone or a player that their shooter does not spare.
    pub(crate) near: [u8; MARKS],
}

/// What a place's row and column say about it.
pub(crate) struct Lanes {
    /// Low half: players in reach of the row; high half: the row's walls, bit 16 + column.
    pub(crate) rows: [u32; 16],
    /// Players in reach of the column.
    pub(crate) columns: [u32; 16],
    /// Cells that a drone reaches, bit 16 + column of each row.
    pub(crate) drones: [u32; 16],
}

/// Lines fetched with every 64 slots looked at: eight, and a share of the header and the players.
const LINES_A_GROUP: usize = 10;

/// A cache line.
pub(crate) type Line = [u32; 16];

/// What a scan must know.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) lanes: &'a Lanes,
    /// The tick that is being made.
    pub(crate) tick: u32,
    pub(crate) lifetime_ticks: u32,
    /// Seats that a shot from seat `s` passes: `spared_pattern << (s & spared_choose)`.
    pub(crate) spared_pattern: u32,
    pub(crate) spared_choose: u32,
    /// What to fetch meanwhile, a line for every eight slots.
    pub(crate) soon: &'a [Line],
}

/// What a machine with wide registers does many lanes at a time; the rest is for any machine.
pub(crate) trait Wide: Copy {
    /// Asks for a line to be brought into the cache.
    #[inline(always)]
    fn fetch(self, _: &Line) {}

    /// Moves and aims the players in `playing` and returns who fires.
    #[inline(always)]
    fn play<const N: usize>(
        self,
        world: &mut Columns<'_, N>,
        playing: u32,
        inputs: &SeatInputs,
        rules: &Compiled,
    ) -> u32 {
        players::play_all(world, playing, inputs, rules)
    }

    /// Marks what each slot in flight meets; drones only if `CROWD`.
    fn scan<const N: usize, const CROWD: bool>(
        self,
        world: &Columns<'_, N>,
        sight: Sight<'_>,
        marks: &mut Marks,
    );
}

/// Advances one slab by a tick; compiled once per instruction set by being inlined.
///
/// Meanwhile `next`, the slab that is stepped after this one, is fetched from memory: half of it during the
/// scan, half during the closer looks. All of it during the scan is more than a core can ask for at once.
#[inline(always)]
pub(crate) fn step<const N: usize>(
    slab: &mut [u32],
    inputs: &SeatInputs,
    rules: &Compiled,
    next: &[u32],
    wide: impl Wide,
) -> TickOutput {
    step_with::<N>(slab, inputs, rules, Vector { wide, next })
}

#[derive(Clone, Copy)]
struct Vector<'a, W> {
    wide: W,
    next: &'a [u32],
}

impl<const N: usize, W: Wide> Driver<N> for Vector<'_, W> {
    #[inline(always)]
    fn play(
        self,
        world: &mut Columns<'_, N>,
        playing: u32,
        inputs: &SeatInputs,
        rules: &Compiled,
    ) -> u32 {
        self.wide.play(world, playing, inputs, rules)
    }

    #[inline(always)]
    fn relax(self, field: &Field, stood: &[u16; 16], rules: &Compiled) -> Field {
        relax_rows(field, stood, rules)
    }

    #[inline(always)]
    fn fly(self, world: &mut Columns<'_, N>, alive: u32, rules: &Compiled, impacts: &mut Impacts) {
        let lanes = Lanes::of(world, alive, rules);
        let lines = self.next.as_chunks().0;
        let (soon, later) = lines.split_at(lines.len().min(N / 8));
        let mut later = later.chunks(LINES_A_GROUP);
        let sight = Sight {
            lanes: &lanes,
            tick: world.header[slab::TICK] + 1,
            lifetime_ticks: rules.lifetime_ticks,
            spared_pattern: rules.spared_pattern,
            spared_choose: rules.spared_choose,
            soon,
        };
        let mut marks = Marks { turning: [0; MARKS], near: [0; MARKS] };
        if world.crowd.is_some() {
            self.wide.scan::<N, true>(world, sight, &mut marks);
        } else {
            self.wide.scan::<N, false>(world, sight, &mut marks);
        }
        let words = |marks: &'_ [u8; MARKS], group: usize| {
            u64::from_le_bytes(marks.as_chunks::<8>().0[group])
        };
        for group in 0..N / 64 {
            for line in later.next().unwrap_or_default() {
                self.wide.fetch(line);
            }
            let turning = words(&marks.turning, group);
            for_each_bit(turning, |bit| {
                let slot = (group * 64 + bit) & (N - 1);
                fly(world, slot, rules, |x, y| lanes.near(x, y), impacts);
            });
            for_each_bit(words(&marks.near, group) & !turning, |bit| {
                let slot = (group * 64 + bit) & (N - 1);
                graze(world, slot, rules, |x, y| lanes.near(x, y), impacts);
            });
        }
    }
}

#[inline(always)]
fn for_each_bit(mut bits: u64, mut act: impl FnMut(usize)) {
    while bits != 0 {
        act(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

impl Lanes {
    #[inline(always)]
    fn of<const N: usize>(world: &Columns<'_, N>, alive: u32, rules: &Compiled) -> Self {
        let mut lanes = Self { rows: rules.wall_rows, columns: [0; 16], drones: [0; 16] };
        let mut left = alive;
        while left != 0 {
            let p = left.trailing_zeros() as usize % PLAYERS;
            left &= left - 1;
            let (low, high) = reach(world.player_x[p], rules);
            lanes.columns[low & 15] |= 1 << p;
            lanes.columns[high & 15] |= 1 << p;
            let (low, high) = reach(world.player_y[p], rules);
            lanes.rows[low & 15] |= 1 << p;
            lanes.rows[high & 15] |= 1 << p;
        }
        if let Some(crowd) = &world.crowd {
            for i in 0..rules.drones as usize % (slab::DRONES + 1) {
                let stands = u32::from(drone_health(crowd.status[i]) != 0);
                let (left, right) = reach(crowd.x[i], rules);
                let columns = (stands << left | stands << right) << 16;
                let (low, high) = reach(crowd.y[i], rules);
                lanes.drones[low & 15] |= columns;
                lanes.drones[high & 15] |= columns;
            }
        }
        lanes
    }

    #[inline(always)]
    fn near(&self, x: i32, y: i32) -> Near {
        let (row, column) = (lane(y) as usize & 15, lane(x) as usize & 15);
        let players = self.rows[row] & self.columns[column] & 0xffff;
        Near { players, drones: self.drones[row] >> (16 + column) & 1 != 0 }
    }
}

/// Returns the lanes that a body at `place` reaches: a reach is shorter than a cell, so one or two.
#[inline(always)]
fn reach(place: u32, rules: &Compiled) -> (usize, usize) {
    let (low, high) = (place as i32 - rules.hit_margin, place as i32 + rules.hit_margin);
    ((low >> CELL_SHIFT).max(0) as usize, (high >> CELL_SHIFT).min(15) as usize)
}

/// For any machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Wide for Portable {
    #[inline(always)]
    fn scan<const N: usize, const CROWD: bool>(
        self,
        world: &Columns<'_, N>,
        sight: Sight<'_>,
        marks: &mut Marks,
    ) {
        let Lanes { rows, columns, drones } = sight.lanes;
        for slot in 0..N {
            let (v, life) = (world.v[slot], world.life[slot]);
            if !is_live(life) {
                continue;
            }
            let flown = age(life, sight.tick);
            let x = place_at(world.x[slot] as i32, velocity_x(v), flown);
            let y = place_at(world.y[slot] as i32, velocity_y(v), flown);
            let outside = x.min(y) < 0 || x.max(y) > ARENA;
            let (row, column) = (lane(y) as usize & 15, lane(x) as usize & 15);
            let wall = rows[row] >> (16 + column) & 1 != 0;
            let turning = outside || wall || flown >= sight.lifetime_ticks;
            let spared = spared(owner(life), sight.spared_pattern, sight.spared_choose);
            let mut near = rows[row] & columns[column] & 0xffff & !spared != 0;
            if CROWD {
                near |= drones[row] >> (16 + column) & 1 != 0;
            }
            marks.turning[slot / 8] |= u8::from(turning) << (slot % 8);
            marks.near[slot / 8] |= u8::from(near) << (slot % 8);
        }
    }
}
