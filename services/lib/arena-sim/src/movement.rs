//! A player's movement by itself, for whoever must predict it.
use crate::input::Input;
use crate::rules::movement::{accelerate, confine, contact, leading_edge, steer};
use crate::rules::space::lane;
use crate::ruleset::{Compiled, Rules};

/// Where a player is and how it moves: Q16.16 metres and Q4.12 metres a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Motion {
    /// Position.
    pub x: i32,
    /// Position.
    pub y: i32,
    /// Velocity.
    pub vx: i32,
    /// Velocity.
    pub vy: i32,
}

/// The constants of movement under some rules, in the simulation's units: all a predictor needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Half the side of the body, Q16.16 metres.
    pub radius: i32,
    /// Push of a full stick, Q4.12 metres a tick, each tick (times stick / 128).
    pub acceleration: i32,
    /// Each tick takes speed / 2^this.
    pub drag_shift: u32,
    /// Greatest speed an axis, Q4.12 metres a tick.
    pub speed_max: i32,
    /// Walls: bit `cell & 31` of word `cell >> 5`, cell = row * 16 + column.
    pub walls: [u32; 8],
}

impl Movement {
    /// Returns the constants of `rules`.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        Self::of_compiled(rules.compiled())
    }

    #[inline(always)]
    pub(crate) fn of_compiled(rules: &Compiled) -> Self {
        Self {
            radius: rules.radius,
            acceleration: rules.accel,
            drag_shift: rules.drag_shift,
            speed_max: rules.speed_max,
            walls: rules.walls,
        }
    }

    /// Returns the constants of the drones: the players' drag and walls, a body and a push of their own.
    #[inline(always)]
    pub(crate) fn of_drones(rules: &Compiled) -> Self {
        Self {
            radius: rules.drone_radius,
            acceleration: rules.drone_accel,
            speed_max: rules.drone_speed_max,
            ..Self::of_compiled(rules)
        }
    }

    /// Returns the motion of a living player after one tick with `input`; total for any motion whose
    /// position lies inside the arena.
    ///
    /// `docs/simulation.md` gives the same in words, `tests/vectors/movement.json` in examples.
    #[inline(always)]
    #[must_use]
    pub fn step(&self, motion: Motion, input: Input) -> Motion {
        let (stick_x, stick_y) =
            (i32::from(input.move_x).max(-127), i32::from(input.move_y).max(-127));
        let vx = self.accelerate(motion.vx, steer(stick_x, stick_y));
        let vy = self.accelerate(motion.vy, steer(stick_y, stick_x));
        let (x, vx) = self.slide(motion.x, vx, |edge, side| self.wall(edge, motion.y + side));
        let (y, vy) = self.slide(motion.y, vy, |edge, side| self.wall(x + side, edge));
        Motion { x, y, vx, vy }
    }

    #[inline(always)]
    fn accelerate(&self, v: i32, stick: i32) -> i32 {
        accelerate(v, stick, self.acceleration, self.drag_shift, self.speed_max)
    }

    /// Moves one axis; `wall(edge, side)` looks up the leading edge at both ends of the body.
    #[inline(always)]
    fn slide(&self, from: i32, v: i32, wall: impl Fn(i32, i32) -> bool) -> (i32, i32) {
        let wanted = from + (v << 4);
        let mut to = confine(wanted, self.radius);
        let edge = leading_edge(to, v, self.radius);
        if wall(edge, -self.radius) || wall(edge, self.radius) {
            to = contact(edge, v, self.radius);
        }
        (to, if to == wanted { v } else { 0 })
    }

    #[inline(always)]
    fn wall(&self, x: i32, y: i32) -> bool {
        let cell = (lane(y) * 16 + lane(x)) as u32;
        self.walls[(cell >> 5) as usize & 7] >> (cell & 31) & 1 != 0
    }
}
