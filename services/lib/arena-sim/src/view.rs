//! Reading a match without changing it.
use crate::PLAYERS;
use crate::hash::{StateHash, hash_body};
use crate::rules::{crowd, projectile, space, status, teams};
use crate::ruleset::{Mode, Rules};
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
    /// Ticks in which shots do double damage.
    pub boost: u8,
}

/// One drone. Positions are Q16.16 metres, velocities Q4.12 metres a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DroneView {
    /// Its number, 0 to 63.
    pub index: u8,
    /// Position.
    pub x: i32,
    /// Position.
    pub y: i32,
    /// Velocity.
    pub vx: i32,
    /// Velocity.
    pub vy: i32,
    /// Health left, at least 1.
    pub health: u8,
}

/// One pick-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PickupView {
    /// Its number, 0 to 15.
    pub index: u8,
    /// The cell it lies on, in the middle.
    pub cell: u8,
    /// Whether it boosts; otherwise it heals.
    pub boosts: bool,
    /// Ticks until it is there again; 0 = is there.
    pub wait: u16,
}

/// One team's flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagView {
    /// Where it is, Q16.16 metres; a carried one is with its carrier.
    pub x: i32,
    /// The same for y.
    pub y: i32,
    /// Where it belongs: the middle of this cell.
    pub home: u8,
    /// Whether it stands there.
    pub is_home: bool,
    /// Who carries it.
    pub carrier: Option<u8>,
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
            boost: teams::boost(word(5)) as u8,
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

    /// Returns the drones that stand, in order.
    pub fn drones(&self) -> impl Iterator<Item = DroneView> + use<'a> {
        let columns = &self.words[slab::drone_columns(self.rules.capacity().projectiles())..];
        let count = self.rules.drones() as usize;
        (0..count).filter_map(move |i| {
            let word = |column: usize| columns[column * slab::DRONES + i];
            let health = crowd::drone_health(word(3)) as u8;
            (health != 0).then(|| DroneView {
                index: i as u8,
                x: word(0) as i32,
                y: word(1) as i32,
                vx: space::velocity_x(word(2)),
                vy: space::velocity_y(word(2)),
                health,
            })
        })
    }

    /// Returns the pick-ups, taken ones included.
    pub fn pickups(&self) -> impl Iterator<Item = PickupView> + use<'a> {
        let world = *self;
        self.rules.compiled().pickups.iter().enumerate().map(move |(i, cell)| PickupView {
            index: i as u8,
            cell: *cell,
            boosts: i & 1 == 1,
            wait: world.words[slab::PICKUP_COLUMN + i] as u16,
        })
    }

    /// Returns both teams' flags, or `None` if the match is not about flags.
    #[must_use]
    pub fn flags(&self) -> Option<[FlagView; 2]> {
        (self.rules.mode() == Mode::Capture).then(|| [self.flag(0), self.flag(1)])
    }

    fn flag(&self, team: usize) -> FlagView {
        let home = self.rules.compiled().homes[team];
        let at = slab::FLAG_OF[team];
        let (state, x, y) = (self.words[at], self.words[at + 1], self.words[at + 2]);
        let kind = teams::flag_kind(state);
        let seat = teams::flag_carrier(state) as u8;
        let carrier = (kind == teams::FLAG_CARRIED).then_some(seat);
        let middle = |lane: u8| space::middle(u32::from(lane));
        let (x, y) = match (kind, carrier.map(|it| self.player(it))) {
            (_, Some(player)) => (player.x, player.y),
            (teams::FLAG_DROPPED, _) => (x as i32, y as i32),
            _ => (middle(home & 15), middle(home >> 4)),
        };
        FlagView { x, y, home, is_home: kind == teams::FLAG_HOME, carrier }
    }

    /// Returns the teams' scores, kills or captures, or `None` if there are no teams. Even seats are
    /// team 0, odd ones team 1.
    #[must_use]
    pub fn team_scores(&self) -> Option<[u16; 2]> {
        let scores = self.words[slab::TEAM_SCORES];
        let of = |team| teams::team_score(scores, team) as u16;
        (self.rules.mode() != Mode::Deathmatch).then(|| [of(0), of(1)])
    }

    /// Returns the taken seats: with teams the better team first, then most kills, then fewest deaths,
    /// then by seat.
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
