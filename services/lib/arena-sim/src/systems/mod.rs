//! The phases of a tick on the CPU.
//!
//! [`scalar::step`] is the specification: every projectile against every player. [`vector::step`] gives
//! the same bits from a vectorised scan and a look at what it marks. Both share the players', weapons' and
//! referee's phases, whose work is small.

mod capture;
pub(crate) mod crowd;
pub(crate) mod flight;
mod pickups;
mod players;
mod referee;
pub(crate) mod scalar;
pub(crate) mod strips;
pub(crate) mod vector;
mod walls;
mod weapons;

use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::ruleset::Compiled;
use crate::slab::{self, Columns, DRONES};

/// Places that who stands up may choose from; more spread better and cost more.
pub(crate) const SPAWN_CANDIDATES: u32 = 4;
/// The random numbers from here on belong to standing up; those below to pellets.
pub(crate) const SPAWN_STREAM: u32 = 0xa0;

/// What projectiles and drones did; sums, minima and unions, so that order does not matter.
pub(crate) struct Impacts {
    damage: [u32; crate::PLAYERS],
    /// The least slot that hit: its owner gets the credit. `u32::MAX` if only drones did.
    slot: [u32; crate::PLAYERS],
    hitters: u32,
    /// Damage of each drone.
    drones: [u32; DRONES],
}

impl Impacts {
    #[inline(always)]
    fn none() -> Self {
        Self {
            damage: [0; crate::PLAYERS],
            slot: [u32::MAX; crate::PLAYERS],
            hitters: 0,
            drones: [0; DRONES],
        }
    }

    #[inline(always)]
    fn add(&mut self, victim: usize, slot: usize, owner: u32, damage: u32) {
        self.damage[victim] += damage;
        self.slot[victim] = self.slot[victim].min(slot as u32);
        self.hitters |= 1 << owner;
    }

    #[inline(always)]
    pub(crate) fn bite(&mut self, victim: usize, damage: u32) {
        self.damage[victim] += damage;
    }
}

/// What a driver does in its own way; the rest of a tick is the same for all.
trait Driver<const N: usize>: Copy {
    /// What it notes of where the players are.
    type Chart;

    /// Moves the living players in `playing` and says who fires.
    fn play(
        self,
        world: &mut Columns<'_, N>,
        playing: u32,
        inputs: &SeatInputs,
        rules: &Compiled,
    ) -> u32;

    /// Notes where the players in `alive` are: those that can be hit from here on.
    fn chart(self, world: &Columns<'_, N>, alive: u32, rules: &Compiled) -> Self::Chart;

    /// Lets the standing drones walk and bite and the others wait; returns those that stand up now.
    fn walk(
        self,
        world: &mut Columns<'_, N>,
        alive: u32,
        chart: &Self::Chart,
        field: &crowd::Field,
        rules: &Compiled,
        impacts: &mut Impacts,
    ) -> u64;

    /// Makes the next flow field.
    fn relax(self, field: &crowd::Field, stood: &[u16; 16], rules: &Compiled) -> crowd::Cells;

    /// Flies the projectiles.
    fn fly(
        self,
        world: &mut Columns<'_, N>,
        alive: u32,
        chart: Self::Chart,
        rules: &Compiled,
        impacts: &mut Impacts,
    );
}

/// Steps one slab: the phases in order.
#[inline(always)]
fn step_with<const N: usize>(
    slab: &mut [u32],
    inputs: &SeatInputs,
    rules: &Compiled,
    driver: impl Driver<N>,
) -> TickOutput {
    let mut world = Columns::<N>::of(slab);
    if world.header[slab::FLAGS] & 1 != 0 {
        return TickOutput {
            tick: world.header[slab::TICK],
            finished: true,
            ..TickOutput::default()
        };
    }
    let mut output = TickOutput::default();
    let acts = players::act(&mut world, inputs, rules, &mut output, |world, playing| {
        driver.play(world, playing, inputs, rules)
    });
    let mut impacts = Impacts::none();
    let chart = driver.chart(&world, acts.alive, rules);
    crowd::act(&mut world, acts.alive, &chart, rules, &mut impacts, driver);
    weapons::fire(&mut world, acts.fired, rules);
    driver.fly(&mut world, acts.alive, chart, rules, &mut impacts);
    output.fired = acts.fired as u16;
    output.spawned = acts.spawned as u16;
    output.joined = acts.joined as u16;
    output.left = acts.left as u16;
    output.hitters = impacts.hitters as u16;
    referee::judge(&mut world, &impacts, rules, &mut output);
    crowd::suffer(&mut world, &impacts, rules);
    let standing = acts.alive & !u32::from(output.died);
    pickups::take(&mut world, standing, rules, &mut output);
    capture::contest(&mut world, standing, rules, &mut output);
    referee::end_of_tick(&mut world, rules, &mut output);
    output
}
