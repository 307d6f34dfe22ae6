//! The specification: every projectile by itself, against every player.
use super::flight::fly;
use super::players::play_all;
use super::{Impacts, step_with};
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
    let play = |world: &mut Columns<'_, N>, playing| play_all(world, playing, inputs, rules);
    step_with::<N>(slab, inputs, rules, play, |world, alive, rules| {
        let mut impacts = Impacts::none();
        for slot in 0..N {
            if is_live(world.life[slot]) {
                fly(world, slot, rules, |_, _| alive, &mut impacts);
            }
        }
        impacts
    })
}
