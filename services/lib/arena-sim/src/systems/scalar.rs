//! The specification: every projectile by itself, against every player and every drone.
use super::crowd::{Cells, Field, relax_each, walk_each};
use super::flight::{Near, fly};
use super::players::play_all;
use super::{Driver, Impacts, step_with};
use crate::input::SeatInputs;
use crate::output::TickOutput;
use crate::rules::projectile::is_live;
use crate::ruleset::Compiled;
use crate::slab::Columns;

/// Advances one slab by a tick.
pub(crate) fn step<const N: usize>(
    slab: &mut [u32],
    inputs: &SeatInputs,
    rules: &Compiled,
) -> TickOutput {
    step_with::<N>(slab, inputs, rules, Scalar)
}

#[derive(Clone, Copy)]
struct Scalar;

impl<const N: usize> Driver<N> for Scalar {
    type Chart = ();

    fn play(
        self,
        world: &mut Columns<'_, N>,
        playing: u32,
        inputs: &SeatInputs,
        rules: &Compiled,
    ) -> u32 {
        play_all(world, playing, inputs, rules)
    }

    fn chart(self, _: &Columns<'_, N>, _: u32, _: &Compiled) {}

    fn walk(
        self,
        world: &mut Columns<'_, N>,
        alive: u32,
        (): &(),
        field: &Field,
        rules: &Compiled,
        impacts: &mut Impacts,
    ) -> u64 {
        walk_each(world, alive, field, rules, impacts)
    }

    fn relax(self, field: &Field, stood: &[u16; 16], rules: &Compiled) -> Cells {
        relax_each(field, stood, rules)
    }

    fn fly(
        self,
        world: &mut Columns<'_, N>,
        alive: u32,
        (): (),
        rules: &Compiled,
        impacts: &mut Impacts,
    ) {
        for slot in 0..N {
            if is_live(world.life[slot]) {
                let all = Near { players: alive, drones: true };
                fly(world, slot, rules, |_, _| all, impacts);
            }
        }
    }
}
