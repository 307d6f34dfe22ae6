//! Pick-ups: health and boost, taken by who touches them first in the order of seats.
use crate::PLAYERS;
use crate::output::TickOutput;
use crate::rules::hit::touches;
use crate::rules::space::{cell_at, middle};
use crate::rules::status::{aim, cooldown, health, pack_status};
use crate::ruleset::Compiled;
use crate::slab::Columns;

/// Lets pick-ups come back and the players in `alive` take them.
#[inline(always)]
pub(super) fn take<const N: usize>(
    world: &mut Columns<'_, N>,
    alive: u32,
    rules: &Compiled,
    output: &mut TickOutput,
) {
    if rules.pickups.is_empty() {
        return;
    }
    for wait in world.pickups.iter_mut() {
        *wait = wait.saturating_sub(1);
    }
    let mut left = alive;
    while left != 0 {
        let p = left.trailing_zeros() as usize % PLAYERS;
        left &= left - 1;
        let (x, y) = (world.player_x[p] as i32, world.player_y[p] as i32);
        let cell = cell_at(x, y);
        let Some(i) = rules.pickups.iter().position(|it| u32::from(*it) == cell) else { continue };
        let touched = touches(x - middle(cell & 15), y - middle(cell >> 4));
        if !touched || world.pickups[i] != 0 {
            continue;
        }
        let state = world.status[p];
        if i & 1 == 1 {
            world.effects[p] = rules.boost_ticks;
        } else if health(state) < rules.health {
            let healed = (health(state) + rules.pickup_health).min(rules.health);
            world.status[p] = pack_status(healed, aim(state), cooldown(state), 0);
        } else {
            continue; // nothing to heal: it stays for who needs it
        }
        world.pickups[i] = rules.pickup_respawn_ticks;
        output.taken |= 1 << p;
    }
}
