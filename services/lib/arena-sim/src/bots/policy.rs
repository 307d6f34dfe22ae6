//! Aims at the nearest enemy or drone in sight and circles it; otherwise walks to a flag, if the match is
//! about flags, or to where the next enemy is.
use super::aim::{length, stick, turn_towards};
use super::paths::{Point, cell_of, middle_of, next_step, sees};
use crate::input::{Input, buttons};
use crate::rules::hash::rng;
use crate::rules::space::{ARENA, METRE};
use crate::tables::direction;
use crate::view::{PlayerView, WorldView};

/// The bot keeps between these distances.
const NEAR: i32 = 7 * METRE;
const FAR: i32 = 13 * METRE;
/// It looks this far ahead for walls.
const PROBE: i32 = 5 * METRE / 4;
/// It changes the side it circles to at most every 2^this ticks.
const STRAFE_SHIFT: u32 = 6;
/// Its hand shakes anew every 2^this ticks, by up to this much to either side (1/256 turns).
const SHAKE_SHIFT: u32 = 4;
const SHAKE: u32 = 5;
/// It picks another place to wander to every 2^this ticks.
const WANDER_SHIFT: u32 = 8;
/// The random numbers from here on belong to bots.
const BOT_STREAM: u32 = 0xb0;

/// Returns what a bot in `seat` does at `tick`. Bots with another `seed` differ in their whims only.
///
/// Reads the world as its player could see it and keeps nothing, so it may be called at any rate.
///
/// # Panics
/// If `seat` is 16 or more.
#[must_use]
pub fn bot_input(world: &WorldView<'_>, seat: u8, seed: u32, tick: u32) -> Input {
    let me = world.player(seat);
    if !me.alive {
        return Input { aim: me.aim, ..Input::default() };
    }
    let whim = |every: u32, n: u32| rng(seed, tick >> every, u32::from(seat), BOT_STREAM + n);
    let (seen, next) = targets(world, &me);
    let errand = errand(world, &me);
    match (seen, errand.or(next)) {
        (Some(enemy), Some(goal)) if errand.is_some() => {
            let Input { aim, buttons, .. } = fight(world, &me, &enemy, whim);
            Input { aim, buttons, ..walk(world, &me, goal) }
        }
        (Some(enemy), _) => fight(world, &me, &enemy, whim),
        (None, Some(goal)) => walk(world, &me, goal),
        (None, None) => {
            let free: Vec<u8> = world.rules().map().free_cells().collect();
            let goal = free[whim(WANDER_SHIFT, 3) as usize % free.len()];
            walk(world, &me, middle_of(goal))
        }
    }
}

/// Something to shoot at.
#[derive(Clone, Copy)]
struct Target {
    x: i32,
    y: i32,
    vx: i32,
    vy: i32,
}

/// Returns the nearest enemy or drone in sight, and where the nearest enemy is, seen or not.
fn targets(world: &WorldView<'_>, me: &PlayerView) -> (Option<Target>, Option<Point>) {
    let teams = world.team_scores().is_some();
    let is_enemy = |it: &PlayerView| {
        it.alive && it.seat != me.seat && !(teams && (it.seat ^ me.seat) & 1 == 0)
    };
    let away = |x: i32, y: i32| length(x - me.x, y - me.y);
    let mut enemies: Vec<(i32, Target)> = world
        .players()
        .filter(is_enemy)
        .map(|it| (away(it.x, it.y), Target { x: it.x, y: it.y, vx: it.vx, vy: it.vy }))
        .collect();
    // The sort is stable: of two at the same distance the first seat stays first.
    enemies.sort_by_key(|(distance, _)| *distance);
    let nearest = enemies.first().map(|(_, it)| (it.x, it.y));
    let drones = world
        .drones()
        .map(|it| (away(it.x, it.y), Target { x: it.x, y: it.y, vx: it.vx, vy: it.vy }));
    enemies.extend(drones);
    enemies.sort_by_key(|(distance, _)| *distance);
    let map = world.rules().map();
    let seen = enemies.iter().find(|(_, it)| sees(map, (me.x, me.y), (it.x, it.y)));
    (seen.map(|(_, it)| *it), nearest)
}

/// Returns where a bot goes whatever it sees: home with the flag, to its own flag that lies about, and, for
/// every other seat of a team, to the opponents' flag.
fn errand(world: &WorldView<'_>, me: &PlayerView) -> Option<Point> {
    let flags = world.flags()?;
    let own = &flags[usize::from(me.seat & 1)];
    let theirs = &flags[usize::from(me.seat & 1 ^ 1)];
    if theirs.carrier == Some(me.seat) {
        return Some(middle_of(own.home));
    }
    if !own.is_home && own.carrier.is_none() {
        return Some((own.x, own.y));
    }
    let attacks = me.seat >> 1 & 1 == 0 && theirs.carrier.is_none();
    attacks.then_some((theirs.x, theirs.y))
}

fn fight(
    world: &WorldView<'_>,
    me: &PlayerView,
    enemy: &Target,
    whim: impl Fn(u32, u32) -> u32,
) -> Input {
    let distance = length(enemy.x - me.x, enemy.y - me.y);
    let speed = world.rules().compiled().speed.max(1);
    let flight = (distance / (speed << 4)).min(world.rules().compiled().lifetime_ticks as i32);
    let (lead_x, lead_y) = ((enemy.vx << 4) * flight, (enemy.vy << 4) * flight);
    let aim = turn_towards(enemy.x + lead_x - me.x, enemy.y + lead_y - me.y);
    let shake = (whim(SHAKE_SHIFT, 0) % (2 * SHAKE + 1)) as u8;
    let towards = turn_towards(enemy.x - me.x, enemy.y - me.y);
    let side = if whim(STRAFE_SHIFT, 1) & 1 == 0 { 1i8 } else { -1 };
    let offset = match distance {
        d if d > FAR => 24,
        d if d < NEAR => 96,
        _ => 64i8,
    };
    let wanted = towards.wrapping_add_signed(side.wrapping_mul(offset));
    let (move_x, move_y) = stick(free_direction(world, me, wanted, side));
    let pause = whim(SHAKE_SHIFT, 2).is_multiple_of(4);
    Input {
        move_x,
        move_y,
        aim: aim.wrapping_add(shake).wrapping_sub(SHAKE as u8),
        buttons: if pause { 0 } else { buttons::FIRE },
    }
}

fn walk(world: &WorldView<'_>, me: &PlayerView, goal: Point) -> Input {
    let here = (me.x, me.y);
    let (x, y) = next_step(world.rules().map(), here, goal);
    let wanted = turn_towards(x - me.x, y - me.y);
    let (move_x, move_y) = if cell_of(here) == cell_of(goal) { (0, 0) } else { stick(wanted) };
    Input { move_x, move_y, aim: wanted, buttons: 0 }
}

/// Returns the direction nearest to `wanted` that no wall bars, looking to the other `side` first.
fn free_direction(world: &WorldView<'_>, me: &PlayerView, wanted: u8, side: i8) -> u8 {
    let map = world.rules().map();
    let free = |turn: u8| {
        let (cos, sin) = direction(u32::from(turn));
        let reach = |from: i32, cosine: i32| from + (cosine >> 6) * (PROBE >> 8);
        let (x, y) = (reach(me.x, cos), reach(me.y, sin));
        (0..ARENA).contains(&x) && (0..ARENA).contains(&y) && !map.is_wall(cell_of((x, y)))
    };
    (0..8u8)
        .map(|n| {
            let away = (n.div_ceil(2) * 32) as i8;
            let sign = if n & 1 == 1 { side.wrapping_neg() } else { side };
            wanted.wrapping_add_signed(away.wrapping_mul(sign))
        })
        .find(|turn| free(*turn))
        .unwrap_or(wanted)
}
