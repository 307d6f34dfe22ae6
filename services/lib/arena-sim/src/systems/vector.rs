//! The same, but most projectiles are only read: a scan without branches finds the few that meet something
//! this tick (a player or drone in reach, a wall, the border, their age), and only those are looked at one
//! by one.
use super::crowd::{Cells, Field, relax_rows, walk_each};
use super::flight::fly;
use super::strips::Strips;
use super::{Driver, Impacts, players, step_with};
use crate::PLAYERS;
use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::rules::projectile::{age, is_live, owner, place_at};
use crate::rules::space::{ARENA, velocity_x, velocity_y};
use crate::ruleset::Compiled;
use crate::slab::{self, Columns};

/// Slots that the marks of one word stand for.
pub(crate) const GROUP: usize = 32;
/// Words of marks for the largest class.
const MARKS: usize = 2_048 / GROUP;

/// Slots by bit `i % GROUP` of word `i / GROUP`: those that meet the border, a wall, their age, or are near a
/// drone or a player that their shooter does not spare.
pub(crate) struct Marks {
    pub(crate) met: [u32; MARKS],
}

/// A cache line.
pub(crate) type Line = [u32; 16];

/// What a scan must know.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) strips: &'a Strips,
    pub(crate) rules: &'a Compiled,
    /// The tick that is being made.
    pub(crate) tick: u32,
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

    /// Lets the standing drones walk and bite and the others wait; returns those that stand up now.
    #[inline(always)]
    fn walk<const N: usize>(
        self,
        world: &mut Columns<'_, N>,
        alive: u32,
        _: &Strips,
        field: &Field,
        rules: &Compiled,
        impacts: &mut Impacts,
    ) -> u64 {
        walk_each(world, alive, field, rules, impacts)
    }

    /// Marks what each slot in flight meets; drones only if `CROWD`.
    fn scan<const N: usize, const CROWD: bool>(
        self,
        world: &Columns<'_, N>,
        sight: Sight<'_>,
        marks: &mut Marks,
    );

    /// Flies the slots in `met`.
    #[inline(always)]
    fn look<const N: usize>(
        self,
        world: &mut Columns<'_, N>,
        met: Met<'_, N>,
        rules: &Compiled,
        impacts: &mut Impacts,
    ) {
        for slot in &met.slots[..met.count.min(N)] {
            let slot = usize::from(*slot) & (N - 1);
            fly(world, slot, rules, |x, y| met.strips.near(x, y), impacts);
        }
    }
}

/// Advances one slab by a tick; compiled once per instruction set by being inlined.
///
/// Meanwhile `next`, the slab that is stepped after this one, is fetched from memory.
#[inline(always)]
pub(crate) fn step<const N: usize>(
    slab: &mut [u32],
    inputs: &SeatInputs,
    rules: &Compiled,
    next: &[u32],
    wide: impl Wide,
) -> TickOutput {
    step_with::<N>(slab, inputs, rules, Vector { wide, next: Ahead::of::<N>(next) })
}

/// What is fetched while this slab is stepped, in shares over the whole tick: a core can ask for 10 to 16
/// lines at once, and waits if it asks for more.
#[derive(Clone, Copy)]
struct Ahead<'a> {
    before_play: &'a [Line],
    after_play: &'a [Line],
    /// A line for every eight slots.
    scan: &'a [Line],
    look: &'a [Line],
}

impl<'a> Ahead<'a> {
    #[inline(always)]
    fn of<const N: usize>(next: &'a [u32]) -> Self {
        let cut = |lines: &'a [Line], at: usize| lines.split_at(lines.len().min(at));
        let (before_play, lines) = cut(next.as_chunks().0, 12);
        let (after_play, lines) = cut(lines, 12);
        let (scan, look) = cut(lines, N / 8);
        Self { before_play, after_play, scan, look }
    }
}

#[derive(Clone, Copy)]
struct Vector<'a, W> {
    wide: W,
    next: Ahead<'a>,
}

impl<const N: usize, W: Wide> Driver<N> for Vector<'_, W> {
    type Chart = Strips;

    #[inline(always)]
    fn play(
        self,
        world: &mut Columns<'_, N>,
        playing: u32,
        inputs: &SeatInputs,
        rules: &Compiled,
    ) -> u32 {
        self.next.before_play.iter().for_each(|line| self.wide.fetch(line));
        let fired = self.wide.play(world, playing, inputs, rules);
        self.next.after_play.iter().for_each(|line| self.wide.fetch(line));
        fired
    }

    #[inline(always)]
    fn chart(self, world: &Columns<'_, N>, alive: u32, rules: &Compiled) -> Strips {
        Strips::of(world.player_x, world.player_y, alive, rules)
    }

    #[inline(always)]
    fn walk(
        self,
        world: &mut Columns<'_, N>,
        alive: u32,
        strips: &Strips,
        field: &Field,
        rules: &Compiled,
        impacts: &mut Impacts,
    ) -> u64 {
        self.wide.walk(world, alive, strips, field, rules, impacts)
    }

    #[inline(always)]
    fn relax(self, field: &Field, stood: &[u16; 16], rules: &Compiled) -> Cells {
        relax_rows(field, stood, rules)
    }

    #[inline(always)]
    fn fly(
        self,
        world: &mut Columns<'_, N>,
        _: u32,
        mut strips: Strips,
        rules: &Compiled,
        impacts: &mut Impacts,
    ) {
        if let Some(crowd) = &world.crowd {
            strips.add_drones(crowd, rules);
        }
        let tick = world.header[slab::TICK] + 1;
        let sight = Sight { strips: &strips, rules, tick, soon: self.next.scan };
        let mut marks = Marks { met: [0; MARKS] };
        if world.crowd.is_some() {
            self.wide.scan::<N, true>(world, sight, &mut marks);
        } else {
            self.wide.scan::<N, false>(world, sight, &mut marks);
        }
        let mut slots = [0; N];
        let count = list(&marks.met[..N / GROUP], &mut slots);
        let met = Met { slots: &slots, count, strips: &strips, soon: self.next.look };
        self.wide.look(world, met, rules, impacts);
    }
}

/// Slots that meet something.
#[derive(Clone, Copy)]
pub(crate) struct Met<'a, const N: usize> {
    /// Only the first `count` count.
    pub(crate) slots: &'a [u16; N],
    pub(crate) count: usize,
    pub(crate) strips: &'a Strips,
    /// What to fetch meanwhile.
    pub(crate) soon: &'a [Line],
}

/// Lists the slots that are marked and returns how many there are.
///
/// Four at a time, whether there are as many or not: how many is hard to foretell.
#[inline(always)]
fn list<const N: usize>(marks: &[u32], slots: &mut [u16; N]) -> usize {
    let mut count = 0;
    for (pair, marks) in marks.as_chunks::<2>().0.iter().enumerate() {
        let mut left = u64::from(marks[1]) << GROUP | u64::from(marks[0]);
        while left != 0 {
            for _ in 0..4 {
                if let Some(slot) = slots.get_mut(count) {
                    *slot = (2 * GROUP * pair) as u16 + left.trailing_zeros() as u16;
                }
                count += usize::from(left != 0);
                left &= left.wrapping_sub(1);
            }
        }
    }
    count
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
        let Sight { strips, rules, .. } = sight;
        for slot in 0..N {
            let (v, life) = (world.v[slot], world.life[slot]);
            if !is_live(life) {
                continue;
            }
            let flown = age(life, sight.tick);
            let x = place_at(world.x[slot] as i32, velocity_x(v), flown);
            let y = place_at(world.y[slot] as i32, velocity_y(v), flown);
            let outside = x.min(y) < 0 || x.max(y) > ARENA;
            let turning = outside || rules.wall_at(x, y) || flown >= rules.lifetime_ticks;
            let found = strips.near(x, y);
            let aimed = u32::from(rules.aimed[owner(life) as usize % PLAYERS]);
            let near = found.players & aimed != 0 || CROWD && found.drones;
            marks.met[slot / GROUP] |= u32::from(turning || near) << (slot % GROUP);
        }
    }
}
