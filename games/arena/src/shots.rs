//! Which projectile is which: a slot of the simulation is used again, a shot is not.

use arena_sim::WorldView;
use arena_wire::play::{SHOTS_MAX, Shot};

/// The shots of one match as they were first seen.
///
/// A shot moves by the rules, so a client that knows where it was once knows where it is: what is
/// sent never changes while it flies, and costs bits once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shots {
    flying: Vec<Shot>,
    places: Vec<(i32, i32)>,
    before: Vec<Shot>,
}

impl Shots {
    /// Looks at the world; O(slots). Call it once a frame.
    ///
    /// A projectile is the one known if slot, owner and the tick it vanishes at are the same:
    /// a slot is only taken again by a younger one.
    pub(crate) fn look(&mut self, world: &WorldView<'_>) {
        std::mem::swap(&mut self.flying, &mut self.before);
        self.flying.clear();
        self.places.clear();
        let tick = world.tick();
        let mut known = self.before.iter().peekable();
        for it in world.projectiles().take(SHOTS_MAX) {
            while known.next_if(|known| known.slot < it.slot).is_some() {}
            let until = tick + u32::from(it.ticks_left);
            let same = known.peek().filter(|known| {
                (known.slot, known.owner, known.until) == (it.slot, it.owner, until)
            });
            self.places.push((it.x, it.y));
            self.flying.push(same.map_or_else(
                || Shot {
                    slot: it.slot,
                    owner: it.owner,
                    at: tick,
                    until,
                    x: it.x as u32,
                    y: it.y as u32,
                    vx: it.vx as i16,
                    vy: it.vy as i16,
                },
                |known| **known,
            ));
        }
    }

    /// Returns what flies with the place where it is now.
    pub(crate) fn with_places(&self) -> impl Iterator<Item = (&Shot, (i32, i32))> {
        self.flying.iter().zip(self.places.iter().copied())
    }

    /// Whether `shot` still flies.
    pub(crate) fn contains(&self, shot: &Shot) -> bool {
        self.flying
            .binary_search_by_key(&shot.slot, |it| it.slot)
            .is_ok_and(|index| self.flying[index] == *shot)
    }
}

#[cfg(test)]
mod tests {
    use arena_sim::{Backend as _, CpuBackend, Input, Rules, SeatInputs, TickOutput, buttons};

    use super::*;

    /// Moves a shot as a client does: one step a tick, reflected at the border.
    fn followed(shot: &Shot, tick: u32) -> (i32, i32) {
        const ARENA: i32 = 64 << 16;
        let (mut x, mut y, mut vx, mut vy) =
            (shot.x as i32, shot.y as i32, i32::from(shot.vx), i32::from(shot.vy));
        for _ in shot.at..tick {
            for (p, v) in [(&mut x, &mut vx), (&mut y, &mut vy)] {
                let flown = *p + (*v << 4);
                let turned = flown.abs().min(2 * ARENA - flown.abs());
                if turned != flown {
                    *v = -*v;
                }
                *p = turned;
            }
        }
        (x, y)
    }

    #[test]
    fn a_client_that_follows_a_shot_is_where_the_simulation_is() {
        let rules = Rules::standard();
        let mut backend = CpuBackend::new();
        let handle = backend.create(7, &rules).unwrap();
        let mut inputs: SeatInputs = std::array::from_fn(|_| Input {
            buttons: buttons::JOIN | buttons::BOT,
            ..Input::default()
        });
        let mut shots = Shots::default();
        let (mut seen, mut longest) = (0, 0);
        for tick in 1..=600_u32 {
            let mut outputs = [TickOutput::default()];
            backend.step(&[handle], &[inputs], &mut outputs).unwrap();
            for (seat, input) in inputs.iter_mut().enumerate() {
                let aim = (tick * 3 + seat as u32 * 40) as u8;
                *input = Input { move_x: 90, move_y: -50, aim, buttons: buttons::FIRE };
            }
            let world = backend.view(handle).unwrap();
            if tick % 2 == 0 {
                shots.look(&world);
            }
            for it in world.projectiles() {
                let Some(shot) = shots.flying.iter().find(|shot| {
                    shot.slot == it.slot && shot.until == tick + u32::from(it.ticks_left)
                }) else {
                    continue; // fired after the last look
                };
                assert_eq!(followed(shot, tick), (it.x, it.y), "{shot:?} at {tick}");
                seen += 1;
                longest = longest.max(tick - shot.at);
            }
        }
        assert!(seen > 1_000 && longest > 30, "{seen} seen, the longest for {longest} ticks");
    }
}
