//! What one player is shown: who is near comes every frame, who is far less often, and a frame
//! never costs more than its share of the player's bandwidth.

use arena_sdk::{FRAME_BITS_MAX, Frame, SPECTATOR_FRAME_BITS_MAX, Sent};
use arena_sim::rules::space::ARENA;
use arena_sim::{DroneView, FlagView, WorldView};
use arena_wire::play::{
    Drone, Extras, Flag, OwnView, POSITION_SHIFT, PlayerView, SEATS, Shot, View, encode_view,
    quantise,
};

use crate::shots::Shots;

/// What the own body, a changed player and a shot cost, estimated from above; a player without a
/// baseline costs more.
const OWN_BITS: usize = 98;
const PLAYER_BITS: usize = 44;
const NEW_PLAYER_BITS: usize = 84;
const SHOT_BITS: usize = 118;
/// What scores, flags and pick-ups cost when they change, and a drone in each frame, likewise.
const EXTRAS_BITS: usize = 160;
const DRONE_BITS: usize = 22;
/// Drones a player sees at once, the nearest: half of a frame's budget.
const DRONES_SHOWN_MAX: usize = 40;
/// Players nearer than this, in metres, are sent every frame, those up to the next every second,
/// the others every fourth.
const NEAR_M: i32 = 20;
const MID_M: i32 = 36;
/// Shots nearer than this are shown; one that is shown stays until it is gone.
const SIGHT_M: i32 = 28;
/// A player whose priority reaches this is due.
const DUE: u32 = 4;
/// Somewhere in the arena.
const FROM_A_SEAT: Reach =
    Reach { place: (0, 0), near_m: NEAR_M, sight_m: SIGHT_M, bits_max: FRAME_BITS_MAX };
/// From the middle to the corners.
const EVERYTHING: Reach = Reach {
    place: (ARENA / 2, ARENA / 2),
    near_m: ARENA >> 16,
    sight_m: ARENA >> 16,
    bits_max: SPECTATOR_FRAME_BITS_MAX,
};

/// Returns what a frame shows of a player to everybody.
#[must_use]
pub fn player_view(it: &arena_sim::PlayerView) -> PlayerView {
    PlayerView {
        here: it.active,
        alive: it.alive,
        health: it.health,
        x: quantise(it.x),
        y: quantise(it.y),
        aim: it.aim,
        kills: it.kills,
        deaths: it.deaths,
    }
}

/// Returns what a frame shows of a player to itself, exactly; nothing while it has no body.
#[must_use]
pub fn own_view(it: &arena_sim::PlayerView) -> Option<OwnView> {
    it.active.then_some(OwnView {
        x: it.x as u32,
        y: it.y as u32,
        vx: it.vx as i16,
        vy: it.vy as i16,
        cooldown: it.cooldown,
        respawn: u16::from(it.respawn),
    })
}

/// One tick of a match, quantised once for all its viewers.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    tick: u32,
    players: [PlayerView; SEATS],
    own: [Option<OwnView>; SEATS],
    places: [(i32, i32); SEATS],
    shots: Shots,
    /// All drones; without what belongs to one viewer.
    extras: Option<Extras>,
    boosts: [u8; SEATS],
}

impl Scene {
    /// Looks at the world; call it once a frame.
    pub(crate) fn look(&mut self, world: &WorldView<'_>) {
        self.shots.look(world);
        self.tick = world.tick();
        self.extras = extras(world);
        for it in world.players() {
            let seat = usize::from(it.seat);
            self.places[seat] = (it.x, it.y);
            self.boosts[seat] = it.boost;
            self.players[seat] = player_view(&it);
            self.own[seat] = own_view(&it);
        }
    }

    /// Returns what the viewer sees beside players and shots: of the drones the nearest in sight.
    fn extras_of(&self, viewer: Option<usize>, reach: Reach) -> Option<Extras> {
        let all = self.extras.as_ref()?;
        let Reach { place, sight_m, .. } = reach;
        let unit = |it: u16| i32::from(it) << POSITION_SHIFT;
        let mut near: Vec<(i32, Drone)> = all
            .drones
            .iter()
            .map(|it| (distance_m(place, (unit(it.x), unit(it.y))), *it))
            .filter(|(distance, _)| *distance <= sight_m)
            .collect();
        near.sort_unstable_by_key(|(distance, it)| (*distance, it.index));
        near.truncate(DRONES_SHOWN_MAX);
        let mut drones: Vec<Drone> = near.into_iter().map(|(_, it)| it).collect();
        drones.sort_unstable_by_key(|it| it.index);
        let Extras { scores, flags, pickups, .. } = *all;
        Some(Extras {
            scores,
            flags,
            pickups,
            boost: viewer.map_or(0, |it| self.boosts[it]),
            drones,
        })
    }
}

/// Reads what the world has beside players and projectiles; `None` if its rules know nothing of it.
fn extras(world: &WorldView<'_>) -> Option<Extras> {
    let rules = world.rules();
    let scores = world.team_scores();
    if scores.is_none() && rules.pickups() == 0 && rules.drones() == 0 {
        return None;
    }
    let flag = |it: FlagView| match it.carrier {
        Some(seat) => Flag::Carried { seat },
        None if it.is_home => Flag::Home,
        None => Flag::Dropped { x: quantise(it.x), y: quantise(it.y) },
    };
    let drone = |it: DroneView| Drone {
        index: it.index,
        x: quantise(it.x),
        y: quantise(it.y),
        health: it.health,
    };
    Some(Extras {
        scores: scores.unwrap_or_default(),
        flags: world.flags().map_or_else(Default::default, |flags| flags.map(flag)),
        pickups: world.pickups().filter(|it| it.wait == 0).fold(0, |mask, it| mask | 1 << it.index),
        boost: 0,
        drones: world.drones().map(drone).collect(),
    })
}

/// From where a viewer sees how far, and what a frame may take.
#[derive(Clone, Copy)]
struct Reach {
    place: (i32, i32),
    near_m: i32,
    sight_m: i32,
    bits_max: usize,
}

/// What one viewer has been sent.
#[derive(Debug)]
pub(crate) struct Sight {
    /// `None` for who has no seat and sees all of it.
    seat: Option<u8>,
    sent: Sent<View>,
    priority: [u32; SEATS],
}

impl Sight {
    /// Starts with nothing sent.
    pub(crate) fn new(seat: u8) -> Self {
        Self { seat: Some(seat), sent: Sent::default(), priority: [0; SEATS] }
    }

    /// Starts with nothing sent to who has no seat.
    pub(crate) fn of_spectator() -> Self {
        Self { seat: None, ..Self::new(0) }
    }

    /// Takes the word of the client that it holds the frame of `tick`.
    pub(crate) fn acknowledge(&mut self, tick: u32) {
        self.sent.acknowledge(tick);
    }

    /// Goes on with a client that came back and holds the frame of `tick`, or starts over.
    pub(crate) fn resume(&mut self, tick: u32) {
        if !self.sent.resume(tick) {
            self.priority = [0; SEATS];
        }
    }

    /// Returns the next frame, or `None` if the client is too far behind for one now.
    pub(crate) fn frame(&mut self, scene: &Scene) -> Option<Frame> {
        if scene.tick == 0 || !self.sent.is_due() {
            return None;
        }
        let view = self.compose(scene);
        let (baseline, base) = self.sent.baseline(scene.tick).unzip();
        let body = encode_view(&view, base);
        self.sent.push(scene.tick, view);
        Some(Frame { tick: scene.tick, baseline, body })
    }

    /// Chooses what the client sees: all it saw before, brought up to date by urgency as far as the
    /// budget goes. What is left waits with a higher priority.
    fn compose(&mut self, scene: &Scene) -> View {
        let Self { seat, sent, priority } = self;
        let viewer = seat.map(usize::from);
        let reach =
            viewer.map_or(EVERYTHING, |it| Reach { place: scene.places[it], ..FROM_A_SEAT });
        let empty = View::default();
        let last = sent.last().unwrap_or(&empty);
        let base = sent.baseline(scene.tick).map_or(&empty, |it| it.1);
        let mut view = View {
            tick: scene.tick,
            players: last.players,
            own: viewer.and_then(|it| scene.own[it]),
            shots: last.shots.iter().filter(|it| scene.shots.contains(it)).copied().collect(),
            extras: scene.extras_of(viewer, reach),
        };
        let drones =
            view.extras.as_ref().map_or(0, |it| EXTRAS_BITS + it.drones.len() * DRONE_BITS);
        let mut spent = OWN_BITS + drones + cost(&view, base);
        for seat in due(scene, &view, viewer, reach, priority) {
            let price = if view.players[seat] == base.players[seat] { PLAYER_BITS } else { 0 };
            let urgent = Some(seat) == viewer || is_hurt(scene, &view, seat);
            if urgent || spent + price <= reach.bits_max {
                spent += price;
                view.players[seat] = scene.players[seat];
                priority[seat] = 0;
            }
        }
        let room = reach.bits_max.saturating_sub(spent) / SHOT_BITS;
        let more = nearest(&scene.shots, &view.shots, reach, room);
        view.shots.extend(more);
        view.shots.sort_unstable_by_key(|it| it.slot);
        view
    }
}

/// Estimates what `view` costs against `base`.
fn cost(view: &View, base: &View) -> usize {
    let changed = view.players.iter().zip(&base.players).filter(|(now, then)| now != then);
    let players: usize =
        changed.map(|(_, then)| if then.here { PLAYER_BITS } else { NEW_PLAYER_BITS }).sum();
    let known = |shot: &Shot| {
        base.shots
            .binary_search_by_key(&shot.slot, |it| it.slot)
            .is_ok_and(|index| base.shots[index] == *shot)
    };
    players + view.shots.iter().filter(|it| !known(it)).count() * SHOT_BITS
}

fn is_hurt(scene: &Scene, view: &View, seat: usize) -> bool {
    let (now, then) = (&scene.players[seat], &view.players[seat]);
    (now.here, now.alive) != (then.here, then.alive)
}

/// Raises the priority of everyone who changed and returns who is due, most urgent first.
fn due(
    scene: &Scene,
    view: &View,
    viewer: Option<usize>,
    reach: Reach,
    priority: &mut [u32; SEATS],
) -> Vec<usize> {
    let mut due: Vec<(u32, usize)> = Vec::with_capacity(SEATS);
    for seat in (0..SEATS).filter(|it| scene.players[*it] != view.players[*it]) {
        let distance = distance_m(reach.place, scene.places[seat]);
        let weight = if Some(seat) == viewer || is_hurt(scene, view, seat) {
            u32::MAX
        } else if distance <= reach.near_m {
            DUE
        } else if distance <= MID_M {
            DUE / 2
        } else {
            1
        };
        priority[seat] = priority[seat].saturating_add(weight);
        if priority[seat] >= DUE {
            due.push((priority[seat], seat));
        }
    }
    due.sort_unstable_by_key(|(priority, seat)| (std::cmp::Reverse(*priority), *seat));
    due.into_iter().map(|(_, seat)| seat).collect()
}

/// Returns up to `room` shots in reach that are not among `shown`, nearest first.
fn nearest(shots: &Shots, shown: &[Shot], reach: Reach, room: usize) -> Vec<Shot> {
    let mut near: Vec<(i32, Shot)> = shots
        .with_places()
        .map(|(shot, at)| (distance_m(reach.place, at), *shot))
        .filter(|(distance, shot)| {
            *distance <= reach.sight_m
                && shown.binary_search_by_key(&shot.slot, |it| it.slot).is_err()
        })
        .collect();
    near.sort_unstable_by_key(|(distance, shot)| (*distance, shot.slot));
    near.into_iter().take(room).map(|(_, shot)| shot).collect()
}

/// The longer axis of the distance, in whole metres: squares, like the screen.
fn distance_m(a: (i32, i32), b: (i32, i32)) -> i32 {
    (a.0 - b.0).abs().max((a.1 - b.1).abs()) >> 16
}

#[cfg(test)]
#[path = "sight/tests.rs"]
mod tests;
