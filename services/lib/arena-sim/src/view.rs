//! Reading a match without changing it.
use crate::PLAYERS;
use crate::hash::{StateHash, hash_body};
use crate::rules::{projectile, space, status};
use crate::ruleset::Rules;
use crate::slab::{self, PLAYER_COLUMNS, PROJECTILE_COLUMNS};
use crate::standings::{FinishReason, Standing, standings};

/// A match as it stands between two ticks.
#[derive(Clone, Copy, Debug)]
pub struct WorldView<'a> {
    words: &'a [u32],
    rules: &'a Rules,
}

/// One seat. Positions are Q16.16 metres, velocities Q4.12 metres a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayerView {
    /// The seat, 0 to 15.
    pub seat: u8,
    /// Whether the seat is taken.
    pub active: bool,
    /// Whether a bot plays it.
    pub bot: bool,
    /// Whether the player stands in the arena.
    pub alive: bool,
    /// Position.
    pub x: i32,
    /// Position.
    pub y: i32,
    /// Velocity.
    pub vx: i32,
    /// Velocity.
    pub vy: i32,
    /// Health left.
    pub health: u8,
    /// Aim in 1/256 turns.
    pub aim: u8,
    /// Ticks until the weapon is ready.
    pub cooldown: u8,
    /// Ticks until the player stands up again.
    pub respawn: u8,
    /// Kills.
    pub kills: u16,
    /// Deaths.
    pub deaths: u16,
}

/// One projectile in flight. Positions are Q16.16 metres, velocities Q4.12 metres a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProjectileView {
    /// The slot; together with `born_tick` it names a projectile.
    pub slot: u16,
    /// The seat that fired it.
    pub owner: u8,
    /// The tick of its birth.
    pub born_tick: u32,
    /// Ticks it still flies.
    pub ticks_left: u16,
    /// Where its present straight line was at its birth: `x - (vx << 4) * (tick - born_tick)`. Line
    /// and velocity change only when it bounces.
    pub origin_x: i32,
    /// The same for y.
    pub origin_y: i32,
    /// Position.
    pub x: i32,
    /// Position.
    pub y: i32,
    /// Velocity.
    pub vx: i32,
    /// Velocity.
    pub vy: i32,
}

impl<'a> WorldView<'a> {
    pub(crate) fn new(words: &'a [u32], rules: &'a Rules) -> Self {
        Self { words, rules }
    }

    /// Returns the rules the match is played by.
    #[must_use]
    pub fn rules(&self) -> &'a Rules {
        self.rules
    }

    /// Returns the ticks stepped so far.
    #[must_use]
    pub fn tick(&self) -> u32 {
        self.words[slab::TICK]
    }

    /// Returns the seed.
    #[must_use]
    pub fn seed(&self) -> u32 {
        self.words[slab::SEED]
    }

    /// Returns why the match is over, or `None` while it runs.
    #[must_use]
    pub fn finished(&self) -> Option<FinishReason> {
        FinishReason::of_flags(self.words[slab::FLAGS])
    }

    /// Returns one seat.
    ///
    /// # Panics
    /// If `seat` is 16 or more.
    #[must_use]
    pub fn player(&self, seat: u8) -> PlayerView {
        let p = usize::from(seat);
        assert!(p < PLAYERS, "a match has {PLAYERS} seats");
        let word = |column: usize| self.words[PLAYER_COLUMNS + column * PLAYERS + p];
        let (seats, velocity, state, score) = (self.words[slab::SEATS], word(2), word(3), word(4));
        let active = seats >> p & 1 != 0;
        PlayerView {
            seat,
            active,
            bot: seats >> (PLAYERS + p) & 1 != 0,
            alive: active && status::respawn(state) == 0,
            x: word(0) as i32,
            y: word(1) as i32,
            vx: space::velocity_x(velocity),
            vy: space::velocity_y(velocity),
            health: status::health(state) as u8,
            aim: status::aim(state) as u8,
            cooldown: status::cooldown(state) as u8,
            respawn: status::respawn(state) as u8,
            kills: status::kills(score) as u16,
            deaths: status::deaths(score) as u16,
        }
    }

    /// Returns all seats in order, empty ones included.
    pub fn players(&self) -> impl Iterator<Item = PlayerView> + use<'a> {
        let world = *self;
        (0..PLAYERS as u8).map(move |seat| world.player(seat))
    }

    /// Returns the projectiles in flight in the order of their slots.
    pub fn projectiles(&self) -> impl Iterator<Item = ProjectileView> + use<'a> {
        let n = self.rules.capacity().projectiles();
        let columns = &self.words[PROJECTILE_COLUMNS..PROJECTILE_COLUMNS + 4 * n];
        let (x, rest) = columns.split_at(n);
        let (y, rest) = rest.split_at(n);
        let (v, life) = rest.split_at(n);
        let (tick, lifetime) = (self.tick(), self.rules.projectile_lifetime_ticks());
        life.iter().enumerate().filter(|(_, life)| projectile::is_live(**life)).map(
            move |(slot, life)| {
                let age = projectile::age(*life, tick);
                let (vx, vy) = (space::velocity_x(v[slot]), space::velocity_y(v[slot]));
                let (origin_x, origin_y) = (x[slot] as i32, y[slot] as i32);
                ProjectileView {
                    slot: slot as u16,
                    owner: projectile::owner(*life) as u8,
                    born_tick: tick.saturating_sub(age),
                    ticks_left: lifetime.saturating_sub(age) as u16,
                    origin_x,
                    origin_y,
                    x: projectile::place_at(origin_x, vx, age),
                    y: projectile::place_at(origin_y, vy, age),
                    vx,
                    vy,
                }
            },
        )
    }

    /// Returns the taken seats, most kills first, then fewest deaths, then by seat.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        standings(self)
    }

    /// Returns the hash of the whole state; O(slab).
    #[must_use]
    pub fn state_hash(&self) -> StateHash {
        hash_body(self.words)
    }
}
