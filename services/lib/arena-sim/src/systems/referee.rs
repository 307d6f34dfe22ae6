//! Damage, deaths, scores, and the end of the match.
use super::Impacts;
use crate::PLAYERS;
use crate::output::TickOutput;
use crate::rules::projectile::owner;
use crate::rules::status::{add_score, health, hurt, kills};
use crate::ruleset::Compiled;
use crate::slab::{self, Columns};
use crate::standings::FinishReason;

#[inline(always)]
pub(super) fn judge<const N: usize>(
    world: &mut Columns<'_, N>,
    impacts: &Impacts,
    rules: &Compiled,
    output: &mut TickOutput,
) {
    let mut credit = [0u32; PLAYERS];
    let mut died = 0u32;
    for p in 0..PLAYERS {
        let damage = impacts.damage[p];
        if damage == 0 {
            continue;
        }
        output.hit |= 1 << p;
        output.damage[p] = damage.min(255) as u8;
        world.status[p] = hurt(world.status[p], damage, rules.respawn_ticks);
        if health(world.status[p]) == 0 {
            let killer = owner(world.life[impacts.slot[p] as usize % N]);
            died |= 1 << p;
            credit[killer as usize] += 1;
            output.killers[p] = killer as u8;
        }
    }
    output.died = died as u16;
    if died != 0 {
        for (p, kills) in credit.into_iter().enumerate() {
            world.score[p] = add_score(world.score[p], kills, died >> p & 1);
        }
    }
    end_of_tick(world, rules, output);
}

#[inline(always)]
fn end_of_tick<const N: usize>(
    world: &mut Columns<'_, N>,
    rules: &Compiled,
    output: &mut TickOutput,
) {
    let tick = world.header[slab::TICK] + 1;
    world.header[slab::TICK] = tick;
    output.tick = tick;
    let most = world.score.iter().fold(0, |most, score| most.max(kills(*score)));
    if rules.frag_limit != 0 && most >= rules.frag_limit {
        world.header[slab::FLAGS] = FinishReason::Frags.flags();
    } else if tick >= rules.time_limit_ticks {
        world.header[slab::FLAGS] = FinishReason::Time.flags();
    }
    output.finished = world.header[slab::FLAGS] != 0;
}
