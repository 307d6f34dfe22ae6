//! Rules as the simulation reads them: words in its own units.
use super::fields::{COUNT, Key};
use crate::map::Map;
use crate::rules::hit::ROUNDING;
use crate::rules::space::METRE;

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
    pub(crate) version: u32,
    pub(crate) hash: u64,
    /// The map, bit `cell & 31` of word `cell >> 5`.
    pub(crate) walls: [u32; 8],
    /// Each row's walls, bit 16 + column.
    pub(crate) wall_rows: [u32; 16],
    /// The free cells, in order.
    pub(crate) spawns: Vec<u8>,
}

impl Compiled {
    pub(super) fn new(values: &[u32; COUNT], map: &Map, hash: u64) -> Self {
        let value = |key: Key| values[key as usize];
        let hit_radius = metres(value(Key::HitRadius));
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
            version: value(Key::Version),
            hash,
            walls: map.words(),
            wall_rows: map.rows().map(|row| u32::from(row) << 16),
            spawns: map.free_cells().collect(),
        }
    }

    /// Returns the slab's header words for these rules: version and both halves of the hash.
    pub(crate) fn fingerprint(&self) -> [u32; 3] {
        [self.version, self.hash as u32, (self.hash >> 32) as u32]
    }

    /// Says whether a point lies in a wall's cell; points outside count to the nearest cell.
    #[inline(always)]
    pub(crate) fn wall_at(&self, x: i32, y: i32) -> bool {
        let cell = (crate::rules::space::lane(y) * 16 + crate::rules::space::lane(x)) as u32;
        self.walls[(cell >> 5) as usize] >> (cell & 31) & 1 != 0
    }
}

/// Millimetres in Q16.16 metres, rounded down.
fn metres(mm: u32) -> i32 {
    (u64::from(mm) * METRE as u64 / 1_000) as i32
}

/// Millimetres a second in Q4.12 metres a tick, rounded down.
fn speed(mm_s: u32) -> i32 {
    (u64::from(mm_s) * 4_096 / u64::from(1_000 * TICKS_PER_SECOND)) as i32
}
