//! The same, but most projectiles are only read: a scan without branches finds the few that meet something
//! this tick (a player in reach, a wall, the border, their age), and only those are looked at one by one.
//!
//! A player is in reach of a rectangle of cells, so the players at a cell are those of its row *and* of
//! its column: two tables of 16 words, small enough for registers.
use super::flight::{fly, graze};
use super::{Impacts, players, step_with};
use crate::PLAYERS;
use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::rules::projectile::{age, is_live, owner, place_at};
use crate::rules::space::{ARENA, CELL_SHIFT, lane, velocity_x, velocity_y};
use crate::ruleset::Compiled;
use crate::slab::{self, Columns};

/// Room for one bit a slot of the largest class.
pub(crate) const MARKS: usize = 2_048 / 8;

/// Slots by bit `i & 7` of byte `i >> 3`.
pub(crate) struct Marks {
    /// Those that meet the border, a wall or their age, and maybe a player.
    pub(crate) turning: [u8; MARKS],
    /// Those that are near a player, others than the shooter.
    pub(crate) near: [u8; MARKS],
}

/// What a place's row and column say about it.
pub(crate) struct Lanes {
    /// Low half: players in reach of the row; high half: the row's walls, bit 16 + column.
    pub(crate) rows: [u32; 16],
    /// Players in reach of the column.
    pub(crate) columns: [u32; 16],
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

    /// Marks what each slot in flight meets.
    fn scan<const N: usize>(self, world: &Columns<'_, N>, sight: Sight<'_>, marks: &mut Marks);
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
    let play = |world: &mut Columns<'_, N>, playing| wide.play(world, playing, inputs, rules);
    step_with::<N>(slab, inputs, rules, play, |world, alive, rules| {
        let lanes = Lanes::of(world, alive, rules);
        let lines = next.as_chunks().0;
        let (soon, later) = lines.split_at(lines.len().min(N / 8));
        let mut later = later.chunks(LINES_A_GROUP);
        let (tick, lifetime_ticks) = (world.header[slab::TICK] + 1, rules.lifetime_ticks);
        let mut marks = Marks { turning: [0; MARKS], near: [0; MARKS] };
        wide.scan(world, Sight { lanes: &lanes, tick, lifetime_ticks, soon }, &mut marks);
        let mut impacts = Impacts::none();
        let words = |marks: &'_ [u8; MARKS], group: usize| {
            u64::from_le_bytes(marks.as_chunks::<8>().0[group])
        };
        for group in 0..N / 64 {
            for line in later.next().unwrap_or_default() {
                wide.fetch(line);
            }
            let turning = words(&marks.turning, group);
            for_each_bit(turning, |bit| {
                let slot = (group * 64 + bit) & (N - 1);
                fly(world, slot, rules, |x, y| lanes.players_at(x, y), &mut impacts);
            });
            for_each_bit(words(&marks.near, group) & !turning, |bit| {
                let slot = (group * 64 + bit) & (N - 1);
                graze(world, slot, rules, |x, y| lanes.players_at(x, y), &mut impacts);
            });
        }
        impacts
    })
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

/// For any machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Wide for Portable {
    #[inline(always)]
    fn scan<const N: usize>(self, world: &Columns<'_, N>, sight: Sight<'_>, marks: &mut Marks) {
        let Lanes { rows, columns } = sight.lanes;
        for slot in 0..N {
            let (v, life) = (world.v[slot], world.life[slot]);
            if !is_live(life) {
                continue;
            }
            let flown = age(life, sight.tick);
            let x = place_at(world.x[slot] as i32, velocity_x(v), flown);
            let y = place_at(world.y[slot] as i32, velocity_y(v), flown);
            let outside = x.min(y) < 0 || x.max(y) > ARENA;
            let (row, column) = (rows[lane(y) as usize & 15], lane(x) as usize & 15);
            let wall = row >> (16 + column) & 1 != 0;
            let turning = outside || wall || flown >= sight.lifetime_ticks;
            let near = row & columns[column] & 0xffff & !(1 << owner(life)) != 0;
            marks.turning[slot / 8] |= u8::from(turning) << (slot % 8);
            marks.near[slot / 8] |= u8::from(near) << (slot % 8);
        }
    }
}
