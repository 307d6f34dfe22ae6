//! Flags: taken from home, carried, dropped, returned, captured. Nothing without `match.mode: capture`.
use crate::PLAYERS;
use crate::output::{FlagEvent, TickOutput};
use crate::rules::hit::touches;
use crate::rules::space::middle;
use crate::rules::teams::{
    FLAG_CARRIED, FLAG_DROPPED, FLAG_HOME, add_team_scores, flag_carried, flag_carrier,
    flag_dropped, flag_kind, flag_wait, team_of,
};
use crate::ruleset::{Compiled, Mode};
use crate::slab::{self, Columns, FLAG_OF};

/// Drops what the players in `gone` carry, where they were.
#[inline(always)]
pub(super) fn drop_flags<const N: usize>(
    world: &mut Columns<'_, N>,
    gone: u32,
    rules: &Compiled,
    output: &mut TickOutput,
) {
    if rules.mode != Mode::Capture || gone == 0 {
        return;
    }
    for (team, at) in FLAG_OF.into_iter().enumerate() {
        let state = world.header[at];
        let carrier = flag_carrier(state);
        if flag_kind(state) == FLAG_CARRIED && gone >> carrier & 1 != 0 {
            let p = carrier as usize % PLAYERS;
            world.header[at] = flag_dropped(rules.flag_return_ticks);
            world.header[at + 1] = world.player_x[p];
            world.header[at + 2] = world.player_y[p];
            output.flags[team] = FlagEvent::Dropped { seat: carrier as u8 };
        }
    }
}

/// Lets the players in `alive` take, return and capture the flags, the first team's first.
#[inline(always)]
pub(super) fn contest<const N: usize>(
    world: &mut Columns<'_, N>,
    alive: u32,
    rules: &Compiled,
    output: &mut TickOutput,
) {
    if rules.mode != Mode::Capture {
        return;
    }
    for (team, at) in FLAG_OF.into_iter().enumerate() {
        let event = match flag_kind(world.header[at]) {
            FLAG_CARRIED => carry(world, team, rules),
            FLAG_DROPPED => lie(world, team, alive),
            _ => stand(world, team, alive, rules),
        };
        if let Some(event) = event {
            output.flags[team] = event;
        }
    }
}

fn set<const N: usize>(world: &mut Columns<'_, N>, team: usize, state: u32) {
    let at = FLAG_OF[team];
    (world.header[at], world.header[at + 1], world.header[at + 2]) = (state, 0, 0);
}

/// At home: the first opponent who touches it takes it.
fn stand<const N: usize>(
    world: &mut Columns<'_, N>,
    team: usize,
    alive: u32,
    rules: &Compiled,
) -> Option<FlagEvent> {
    let (x, y) = home(team, rules);
    let seat = toucher(world, alive & members(1 - team), x, y)?;
    set(world, team, flag_carried(seat));
    Some(FlagEvent::Taken { seat: seat as u8 })
}

/// Carried: at home with its own flag there, the carrier scores.
fn carry<const N: usize>(
    world: &mut Columns<'_, N>,
    team: usize,
    rules: &Compiled,
) -> Option<FlagEvent> {
    let seat = flag_carrier(world.header[FLAG_OF[team]]);
    let own = team_of(seat) as usize;
    let (x, y) = home(own, rules);
    let is_home = flag_kind(world.header[FLAG_OF[own]]) == FLAG_HOME;
    toucher(world, 1 << seat, x, y).filter(|_| is_home)?;
    set(world, team, FLAG_HOME);
    let scores = world.header[slab::TEAM_SCORES];
    let more = |of: usize| u32::from(of == own);
    world.header[slab::TEAM_SCORES] = add_team_scores(scores, more(0), more(1));
    Some(FlagEvent::Captured { seat: seat as u8 })
}

/// Dropped: its own team returns it, else an opponent takes it, else time returns it.
fn lie<const N: usize>(world: &mut Columns<'_, N>, team: usize, alive: u32) -> Option<FlagEvent> {
    let at = FLAG_OF[team];
    let (x, y) = (world.header[at + 1] as i32, world.header[at + 2] as i32);
    let left = flag_wait(world.header[at]) - 1;
    if left == 0 || toucher(world, alive & members(team), x, y).is_some() {
        set(world, team, FLAG_HOME);
        return Some(FlagEvent::Returned);
    }
    if let Some(seat) = toucher(world, alive & members(1 - team), x, y) {
        set(world, team, flag_carried(seat));
        return Some(FlagEvent::Taken { seat: seat as u8 });
    }
    world.header[at] = flag_dropped(left);
    None
}

/// Returns the first seat of `seats` whose player touches a place.
fn toucher<const N: usize>(world: &Columns<'_, N>, seats: u32, x: i32, y: i32) -> Option<u32> {
    let touching = |p: &usize| {
        seats >> p & 1 != 0 && touches(world.player_x[*p] as i32 - x, world.player_y[*p] as i32 - y)
    };
    (0..PLAYERS).find(touching).map(|p| p as u32)
}

/// Returns the seats of a team.
fn members(team: usize) -> u32 {
    0x5555 << team
}

fn home(team: usize, rules: &Compiled) -> (i32, i32) {
    let cell = u32::from(rules.homes[team]);
    (middle(cell & 15), middle(cell >> 4))
}
