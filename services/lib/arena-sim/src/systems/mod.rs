//! The phases of a tick on the CPU.
//!
//! [`scalar::step`] is the specification: every projectile against every player. [`vector::step`] gives
//! the same bits from a vectorised scan and a look at what it marks. Both share the players', weapons' and
//! referee's phases, whose work is small.

mod flight;
mod players;
mod referee;
pub(crate) mod scalar;
pub(crate) mod vector;
mod walls;
mod weapons;

use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::ruleset::Compiled;
use crate::slab::{self, Columns};

/// What the projectiles did to the players; sums, minima and unions, so that order does not matter.
struct Impacts {
    damage: [u32; crate::PLAYERS],
    /// The least slot that hit: its owner gets the credit.
    slot: [u32; crate::PLAYERS],
    hitters: u32,
}

impl Impacts {
    #[inline(always)]
    fn none() -> Self {
        Self { damage: [0; crate::PLAYERS], slot: [u32::MAX; crate::PLAYERS], hitters: 0 }
    }

    #[inline(always)]
    fn add(&mut self, victim: usize, slot: usize, owner: u32, damage: u32) {
        self.damage[victim] += damage;
        self.slot[victim] = self.slot[victim].min(slot as u32);
        self.hitters |= 1 << owner;
    }
}

/// Steps one slab: the phases in order; `play` moves the living players and says who fires, `fly` is the
/// projectiles' phase.
#[inline(always)]
fn step_with<const N: usize>(
    slab: &mut [u32],
    inputs: &SeatInputs,
    rules: &Compiled,
    play: impl FnOnce(&mut Columns<'_, N>, u32) -> u32,
    fly: impl FnOnce(&mut Columns<'_, N>, u32, &Compiled) -> Impacts,
) -> TickOutput {
    let mut world = Columns::<N>::of(slab);
    if world.header[slab::FLAGS] & 1 != 0 {
        return TickOutput {
            tick: world.header[slab::TICK],
            finished: true,
            ..TickOutput::default()
        };
    }
    let acts = players::act(&mut world, inputs, rules, play);
    weapons::fire(&mut world, acts.fired, rules);
    let impacts = fly(&mut world, acts.alive, rules);
    let mut output = TickOutput {
        fired: acts.fired as u16,
        spawned: acts.spawned as u16,
        joined: acts.joined as u16,
        left: acts.left as u16,
        hitters: impacts.hitters as u16,
        ..TickOutput::default()
    };
    referee::judge(&mut world, &impacts, rules, &mut output);
    output
}
