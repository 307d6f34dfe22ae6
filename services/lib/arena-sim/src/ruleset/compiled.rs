//! Rules as the simulation reads them: words in its own units.
use super::fields::{COUNT, Key};
use crate::PLAYERS;
use crate::map::Map;
use crate::rules::hit::ROUNDING;
use crate::rules::space::{METRE, cell_at};
use crate::rules::teams::spared;

/// Steps of a simulated second.
const TICKS_PER_SECOND: u32 = 60;

/// One match's constants, shared by every match with the same rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compiled {
    pub(crate) radius: i32,
    pub(crate) accel: i32,
    pub(crate) drag_shift: u32,
    pub(crate) speed_max: i32,
    pub(crate) health: u32,
    pub(crate) respawn_ticks: u32,
    pub(crate) cooldown_ticks: u32,
    pub(crate) pellets: u32,
    pub(crate) spread: u32,
    pub(crate) speed: i32,
    pub(crate) speed_jitter: i32,
    pub(crate) lifetime_ticks: u32,
    pub(crate) damage: u32,
    pub(crate) hit_margin: i32,
    pub(crate) hit_radius_squared: i32,
    pub(crate) walls_bounce: bool,
    pub(crate) time_limit_ticks: u32,
    pub(crate) frag_limit: u32,
    pub(crate) mode: Mode,
    pub(crate) capture_limit: u32,
    pub(crate) flag_return_ticks: u32,
    /// Seats that a shot from seat `s` passes: `spared_pattern << (s & spared_choose)`.
    pub(crate) spared_pattern: u32,
    pub(crate) spared_choose: u32,
    /// Seats that a shot from each seat can hit: all but those it passes.
    pub(crate) aimed: [u16; PLAYERS],
    pub(crate) pickup_respawn_ticks: u32,
    pub(crate) pickup_health: u32,
    pub(crate) boost_ticks: u32,
    /// The cell of each pick-up.
    pub(crate) pickups: Vec<u8>,
    /// How many there are, 0 to 64.
    pub(crate) drones: u32,
    pub(crate) drone_health: u32,
    pub(crate) drone_radius: i32,
    pub(crate) drone_accel: i32,
    pub(crate) drone_speed_max: i32,
    pub(crate) bite_damage: u32,
    pub(crate) bite_pause_ticks: u32,
    pub(crate) drone_respawn_ticks: u32,
    pub(crate) version: u32,
    pub(crate) hash: u64,
    /// The map, bit `cell & 31` of word `cell >> 5`.
    pub(crate) walls: [u32; 8],
    /// The cover, likewise.
    pub(crate) cover: [u32; 8],
    /// Each row's walls by column.
    pub(crate) wall_rows: [u16; 16],
    /// All ones in the cells of walls.
    pub(crate) wall_cells: [[u8; 16]; 16],
    /// The free cells, in order.
    pub(crate) floor: Vec<u8>,
    /// Where each team's players stand up: its half of the floor, or all of it without teams.
    pub(crate) spawns: [Vec<u8>; 2],
    /// The cell of each team's flag.
    pub(crate) homes: [u8; 2],
}

/// What a match is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everyone for themselves.
    Deathmatch,
    /// Two teams, for kills.
    Team,
    /// Two teams, for each other's flag.
    Capture,
}

impl Compiled {
    pub(super) fn new(values: &[u32; COUNT], map: &Map, hash: u64) -> Self {
        let value = |key: Key| values[key as usize];
        let hit_radius = metres(value(Key::HitRadius));
        let mode = [Mode::Deathmatch, Mode::Team, Mode::Capture][value(Key::Mode) as usize % 3];
        let floor: Vec<u8> = map.free_cells().collect();
        let half = |right: bool| {
            let own = |cell: &&u8| mode == Mode::Deathmatch || (**cell & 15 > 7) == right;
            floor.iter().filter(own).copied().collect()
        };
        let spawns: [Vec<u8>; 2] = [half(false), half(true)];
        let (pattern, choose) = if mode == Mode::Deathmatch { (1, 15) } else { (0x5555, 1) };
        let pickups = value(Key::Pickups) as usize;
        let spot = |i: usize| floor[(2 * i + 1) * floor.len() / (2 * pickups)];
        Self {
            radius: metres(value(Key::Radius)),
            accel: value(Key::Acceleration) as i32,
            drag_shift: value(Key::Drag),
            speed_max: speed(value(Key::SpeedMax)),
            health: value(Key::Health),
            respawn_ticks: value(Key::Respawn),
            cooldown_ticks: value(Key::Cooldown),
            pellets: value(Key::Pellets),
            spread: value(Key::Spread),
            speed: speed(value(Key::Speed)),
            speed_jitter: speed(value(Key::Jitter)),
            lifetime_ticks: value(Key::Lifetime),
            damage: value(Key::Damage),
            hit_margin: hit_radius + ROUNDING,
            hit_radius_squared: (hit_radius >> 4) * (hit_radius >> 4),
            walls_bounce: value(Key::Walls) == 1,
            time_limit_ticks: value(Key::TimeLimit),
            frag_limit: value(Key::FragLimit),
            mode,
            capture_limit: value(Key::CaptureLimit),
            flag_return_ticks: value(Key::FlagReturn),
            spared_pattern: pattern,
            spared_choose: choose,
            aimed: std::array::from_fn(|p| !spared(p as u32, pattern, choose) as u16),
            pickup_respawn_ticks: value(Key::PickupRespawn),
            pickup_health: value(Key::PickupHealth),
            boost_ticks: value(Key::PickupBoost),
            pickups: (0..pickups).map(spot).collect(),
            drones: value(Key::Drones),
            drone_health: value(Key::DroneHealth),
            drone_radius: metres(value(Key::DroneRadius)),
            drone_accel: value(Key::DroneAcceleration) as i32,
            drone_speed_max: speed(value(Key::DroneSpeedMax)),
            bite_damage: value(Key::DroneBite),
            bite_pause_ticks: value(Key::DroneBitePause),
            drone_respawn_ticks: value(Key::DroneRespawn),
            version: value(Key::Version),
            hash,
            walls: map.words(),
            cover: map.cover_words(),
            wall_rows: map.rows(),
            wall_cells: map.rows().map(|row| {
                std::array::from_fn(|column| if row >> column & 1 == 0 { 0 } else { u8::MAX })
            }),
            homes: [home(&spawns[0], |cell| cell & 15), home(&spawns[1], |cell| 15 - (cell & 15))],
            spawns,
            floor,
        }
    }

    /// Returns the slab's header words for these rules: version and both halves of the hash.
    pub(crate) fn fingerprint(&self) -> [u32; 3] {
        [self.version, self.hash as u32, (self.hash >> 32) as u32]
    }

    /// Says whether a point lies in a wall's cell; points outside count to the nearest cell.
    #[inline(always)]
    pub(crate) fn wall_at(&self, x: i32, y: i32) -> bool {
        bit_of(&self.walls, x, y)
    }

    /// Says whether a point lies on cover.
    #[inline(always)]
    pub(crate) fn cover_at(&self, x: i32, y: i32) -> bool {
        bit_of(&self.cover, x, y)
    }
}

#[inline(always)]
fn bit_of(cells: &[u32; 8], x: i32, y: i32) -> bool {
    let cell = cell_at(x, y);
    cells[(cell >> 5) as usize] >> (cell & 31) & 1 != 0
}

/// Returns the cell for a flag: the one nearest to the team's own border, then to the middle row.
fn home(floor: &[u8], from_border: impl Fn(u8) -> u8) -> u8 {
    let rank = |cell: &u8| (from_border(*cell), (2 * i32::from(*cell >> 4) - 15).abs(), *cell);
    floor.iter().copied().min_by_key(rank).unwrap_or_default()
}

/// Millimetres in Q16.16 metres, rounded down.
fn metres(mm: u32) -> i32 {
    (u64::from(mm) * METRE as u64 / 1_000) as i32
}

/// Millimetres a second in Q4.12 metres a tick, rounded down.
fn speed(mm_s: u32) -> i32 {
    (u64::from(mm_s) * 4_096 / u64::from(1_000 * TICKS_PER_SECOND)) as i32
}
