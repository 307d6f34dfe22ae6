//! Damage, deaths, scores, and the end of the match. Who only drones killed counts as killed by themselves.
use super::{Impacts, capture};
use crate::PLAYERS;
use crate::output::TickOutput;
use crate::rules::projectile::owner;
use crate::rules::status::{add_score, health, hurt, kills};
use crate::rules::teams::{add_team_scores, behind_cover, team_score};
use crate::ruleset::{Compiled, Mode};
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
        let mut damage = impacts.damage[p];
        if damage == 0 {
            continue;
        }
        if rules.cover_at(world.player_x[p] as i32, world.player_y[p] as i32) {
            damage = behind_cover(damage);
        }
        output.hit |= 1 << p;
        output.damage[p] = damage.min(255) as u8;
        world.status[p] = hurt(world.status[p], damage, rules.respawn_ticks);
        if health(world.status[p]) == 0 {
            died |= 1 << p;
            world.effects[p] = 0;
            output.killers[p] = p as u8;
            if impacts.slot[p] != u32::MAX {
                let killer = owner(world.life[impacts.slot[p] as usize % N]);
                credit[killer as usize] += 1;
                output.killers[p] = killer as u8;
            }
        }
    }
    output.died = died as u16;
    if died != 0 {
        for (p, kills) in credit.into_iter().enumerate() {
            world.score[p] = add_score(world.score[p], kills, died >> p & 1);
        }
        if rules.mode == Mode::Team {
            let of = |team: usize| credit.iter().skip(team).step_by(2).sum();
            let scores = world.header[slab::TEAM_SCORES];
            world.header[slab::TEAM_SCORES] = add_team_scores(scores, of(0), of(1));
        }
        capture::drop_flags(world, died, rules, output);
    }
}

/// Counts the tick and ends the match if its time has come.
#[inline(always)]
pub(super) fn end_of_tick<const N: usize>(
    world: &mut Columns<'_, N>,
    rules: &Compiled,
    output: &mut TickOutput,
) {
    let tick = world.header[slab::TICK] + 1;
    world.header[slab::TICK] = tick;
    output.tick = tick;
    let scores = world.header[slab::TEAM_SCORES];
    let team = team_score(scores, 0).max(team_score(scores, 1));
    let (most, limit, reason) = match rules.mode {
        Mode::Deathmatch => {
            let most = world.score.iter().fold(0, |most, score| most.max(kills(*score)));
            (most, rules.frag_limit, FinishReason::Frags)
        }
        Mode::Team => (team, rules.frag_limit, FinishReason::Frags),
        Mode::Capture => (team, rules.capture_limit, FinishReason::Captures),
    };
    if limit != 0 && most >= limit {
        world.header[slab::FLAGS] = reason.flags();
    } else if tick >= rules.time_limit_ticks {
        world.header[slab::FLAGS] = FinishReason::Time.flags();
    }
    output.finished = world.header[slab::FLAGS] != 0;
}
