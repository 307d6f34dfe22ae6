//! What one player is shown: who is near comes every frame, who is far less often, and a frame
//! never costs more than its share of the player's bandwidth.

use std::collections::VecDeque;

use arena_sim::{DroneView, FlagView, WorldView};
use arena_wire::play::{
    Drone, Extras, Flag, FrameHead, OwnView, POSITION_SHIFT, PlayerView, SEATS, Shot, View,
    encode_frame, quantise,
};

use super::shots::Shots;

/// Frames remembered for a player, so that the next can be encoded against any of them.
pub const RING: usize = 64;
/// Bits of a frame: 64 kbit/s at 30 Hz, less four bytes of WebSocket framing.
const BUDGET_BITS: usize = 64_000 / 30 - 32;
/// What a frame, a changed player and a shot cost, estimated from above; a player without a
/// baseline costs more.
const HEAD_BITS: usize = 210;
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
/// Frames without an acknowledgement after which only every fourth is sent: a second.
const UNACKED_FULL_RATE_MAX: usize = 30;

/// One tick of a match, quantised once for all its viewers.
#[derive(Debug)]
pub struct Scene<'a> {
    tick: u32,
    players: [PlayerView; SEATS],
    own: [Option<OwnView>; SEATS],
    places: [(i32, i32); SEATS],
    shots: &'a Shots,
    /// All drones; without what belongs to one viewer.
    extras: Option<Extras>,
    boosts: [u8; SEATS],
}

impl<'a> Scene<'a> {
    /// Reads the world; `shots` must have looked at the same tick.
    #[must_use]
    pub fn of(world: &WorldView<'_>, shots: &'a Shots) -> Self {
        let mut scene = Self {
            tick: world.tick(),
            players: [PlayerView::default(); SEATS],
            own: [None; SEATS],
            places: [(0, 0); SEATS],
            shots,
            extras: extras(world),
            boosts: [0; SEATS],
        };
        for it in world.players() {
            let seat = usize::from(it.seat);
            scene.places[seat] = (it.x, it.y);
            scene.boosts[seat] = it.boost;
            scene.players[seat] = PlayerView {
                here: it.active,
                alive: it.alive,
                health: it.health,
                x: quantise(it.x),
                y: quantise(it.y),
                aim: it.aim,
                kills: it.kills,
                deaths: it.deaths,
            };
            scene.own[seat] = it.active.then_some(OwnView {
                x: it.x as u32,
                y: it.y as u32,
                vx: it.vx as i16,
                vy: it.vy as i16,
                cooldown: it.cooldown,
                respawn: u16::from(it.respawn),
            });
        }
        scene
    }
}

impl Scene<'_> {
    /// Returns what the viewer sees beside players and shots: of the drones the nearest in sight.
    fn extras_of(&self, viewer: usize) -> Option<Extras> {
        let all = self.extras.as_ref()?;
        let place = self.places[viewer];
        let unit = |it: u16| i32::from(it) << POSITION_SHIFT;
        let mut near: Vec<(i32, Drone)> = all
            .drones
            .iter()
            .map(|it| (distance_m(place, (unit(it.x), unit(it.y))), *it))
            .filter(|(distance, _)| *distance <= SIGHT_M)
            .collect();
        near.sort_unstable_by_key(|(distance, it)| (*distance, it.index));
        near.truncate(DRONES_SHOWN_MAX);
        let mut drones: Vec<Drone> = near.into_iter().map(|(_, it)| it).collect();
        drones.sort_unstable_by_key(|it| it.index);
        let Extras { scores, flags, pickups, .. } = *all;
        Some(Extras { scores, flags, pickups, boost: self.boosts[viewer], drones })
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

/// What one player has been sent.
#[derive(Clone, Debug)]
pub struct Sight {
    seat: u8,
    /// Oldest first; all since the acknowledged one, which is the first if there is one.
    sent: VecDeque<View>,
    acked: bool,
    priority: [u32; SEATS],
    held_back: u32,
}

impl Sight {
    /// Starts with nothing sent.
    #[must_use]
    pub fn new(seat: u8) -> Self {
        Self { seat, sent: VecDeque::new(), acked: false, priority: [0; SEATS], held_back: 0 }
    }

    /// Takes the word of the client that it holds the frame of `tick`; others are forgotten.
    pub fn ack(&mut self, tick: u32) {
        if let Ok(index) = self.sent.binary_search_by_key(&tick, |it| it.tick) {
            self.sent.drain(..index);
            self.acked = true;
        }
    }

    /// Goes on with a client that came back and holds the frame of `tick`, or starts over.
    pub fn resume(&mut self, tick: u32) {
        if self.sent.binary_search_by_key(&tick, |it| it.tick).is_ok() {
            self.ack(tick);
            self.sent.truncate(1);
        } else {
            *self = Self::new(self.seat);
        }
    }

    /// Returns the next frame, or `None` if the client is too far behind for one now.
    pub fn frame(&mut self, scene: &Scene<'_>, head: FrameHead) -> Option<Vec<u8>> {
        if self.sent.len() > UNACKED_FULL_RATE_MAX {
            self.held_back += 1;
            if !self.held_back.is_multiple_of(4) {
                return None;
            }
        }
        let view = self.compose(scene);
        let bytes = encode_frame(head, &view, self.baseline(), Vec::new());
        self.sent.push_back(view);
        if self.sent.len() > RING {
            self.sent.pop_front();
            self.acked = false;
        }
        Some(bytes)
    }

    fn baseline(&self) -> Option<&View> {
        self.sent.front().filter(|_| self.acked)
    }

    /// Chooses what the client sees: all it saw before, brought up to date by urgency as far as the
    /// budget goes. What is left waits with a higher priority.
    fn compose(&mut self, scene: &Scene<'_>) -> View {
        let Self { seat: viewer, sent, acked, priority, .. } = self;
        let viewer = usize::from(*viewer);
        let empty = View::default();
        let last = sent.back().unwrap_or(&empty);
        let base = sent.front().filter(|_| *acked).unwrap_or(&empty);
        let mut view = View {
            tick: scene.tick,
            players: last.players,
            own: scene.own[viewer],
            shots: last.shots.iter().filter(|it| scene.shots.contains(it)).copied().collect(),
            extras: scene.extras_of(viewer),
        };
        let drones =
            view.extras.as_ref().map_or(0, |it| EXTRAS_BITS + it.drones.len() * DRONE_BITS);
        let mut spent = HEAD_BITS + drones + cost(&view, base);
        for seat in due(scene, &view, viewer, priority) {
            let price = if view.players[seat] == base.players[seat] { PLAYER_BITS } else { 0 };
            let urgent = seat == viewer || is_hurt(scene, &view, seat);
            if urgent || spent + price <= BUDGET_BITS {
                spent += price;
                view.players[seat] = scene.players[seat];
                priority[seat] = 0;
            }
        }
        let room = BUDGET_BITS.saturating_sub(spent) / SHOT_BITS;
        let more = nearest(scene.shots, &view.shots, scene.places[viewer], room);
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

fn is_hurt(scene: &Scene<'_>, view: &View, seat: usize) -> bool {
    let (now, then) = (&scene.players[seat], &view.players[seat]);
    (now.here, now.alive) != (then.here, then.alive)
}

/// Raises the priority of everyone who changed and returns who is due, most urgent first.
fn due(scene: &Scene<'_>, view: &View, viewer: usize, priority: &mut [u32; SEATS]) -> Vec<usize> {
    let here = scene.places[viewer];
    let mut due: Vec<(u32, usize)> = Vec::with_capacity(SEATS);
    for seat in (0..SEATS).filter(|it| scene.players[*it] != view.players[*it]) {
        let distance = distance_m(here, scene.places[seat]);
        let weight = if seat == viewer || is_hurt(scene, view, seat) {
            u32::MAX
        } else if distance <= NEAR_M {
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

/// Returns up to `room` shots in sight of `place` that are not among `shown`, nearest first.
fn nearest(shots: &Shots, shown: &[Shot], place: (i32, i32), room: usize) -> Vec<Shot> {
    let mut near: Vec<(i32, Shot)> = shots
        .with_places()
        .map(|(shot, at)| (distance_m(place, at), *shot))
        .filter(|(distance, shot)| {
            *distance <= SIGHT_M && shown.binary_search_by_key(&shot.slot, |it| it.slot).is_err()
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
