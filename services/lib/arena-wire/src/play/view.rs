//! What one player sees of a match at one tick, quantised.

/// Players of a match, at most; a seat is an index below it.
pub const SEATS: usize = 16;

/// Projectiles of a view, at most: the slots of the largest match.
pub const SHOTS_MAX: usize = 2048;

/// Positions of the world are Q16.16 units below 2²⁴: a world is at most 256 units wide.
pub const WORLD_BITS: u32 = 24;

/// Positions of other players are sent in 1/128 units.
pub const POSITION_SHIFT: u32 = 9;

/// Returns a Q16.16 position in 1/128 units, rounded down; positions outside of the world are
/// moved to its edge.
#[must_use]
pub fn quantise(position: i32) -> u16 {
    (position.clamp(0, (1 << WORLD_BITS) - 1) >> POSITION_SHIFT) as u16
}

/// One player.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct PlayerView {
    /// False for a seat nobody ever took.
    pub here: bool,
    /// False while waiting for the respawn.
    pub alive: bool,
    /// Hit points.
    pub health: u8,
    /// In 1/128 units, below 2¹⁵.
    pub x: u16,
    /// In 1/128 units, below 2¹⁵.
    pub y: u16,
    /// Direction in 1/256 turns, as in [`super::Controls::aim`].
    pub aim: u8,
    /// Kills.
    pub kills: u16,
    /// Deaths.
    pub deaths: u16,
}

/// The player's own body, exact, so that prediction can be compared bit by bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct OwnView {
    /// Q16.16 units, below 2²⁴.
    pub x: u32,
    /// Q16.16 units, below 2²⁴.
    pub y: u32,
    /// The simulation's velocity word.
    pub vx: i16,
    /// The simulation's velocity word.
    pub vy: i16,
    /// Ticks until the next shot.
    pub cooldown: u8,
    /// Ticks until the respawn; 0 if alive.
    pub respawn: u16,
}

/// One projectile: where it was at one tick. It moves by the rules of the match, so it is sent
/// once and followed by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Shot {
    /// Names it while it flies, below [`SHOTS_MAX`]; used again after.
    pub slot: u16,
    /// The seat that fired it, below [`SEATS`].
    pub owner: u8,
    /// The tick that `x`, `y`, `vx`, `vy` hold for, at most the view's.
    pub at: u32,
    /// The tick it vanishes at if it hits nothing, after the view's.
    pub until: u32,
    /// Q16.16 units, below 2²⁴.
    pub x: u32,
    /// Q16.16 units, below 2²⁴.
    pub y: u32,
    /// The simulation's velocity word.
    pub vx: i16,
    /// The simulation's velocity word.
    pub vy: i16,
}

/// One drone that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Drone {
    /// Names it, below [`super::DRONES_MAX`].
    pub index: u8,
    /// In 1/128 units, below 2¹⁵.
    pub x: u16,
    /// In 1/128 units, below 2¹⁵.
    pub y: u16,
    /// Hit points.
    pub health: u8,
}

/// Where a team's flag is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
#[cfg_attr(test, serde(rename_all = "snake_case"))]
pub enum Flag {
    /// Where it belongs.
    #[default]
    Home,
    /// With a player.
    Carried {
        /// The player's seat, below [`SEATS`].
        seat: u8,
    },
    /// On the floor.
    Dropped {
        /// In 1/128 units, below 2¹⁵.
        x: u16,
        /// In 1/128 units, below 2¹⁵.
        y: u16,
    },
}

/// What some matches have beside players and shots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Extras {
    /// The teams' scores.
    pub scores: [u16; 2],
    /// The teams' flags.
    pub flags: [Flag; 2],
    /// Bit i: pick-up i is there.
    pub pickups: u16,
    /// Ticks in which the viewer's own shots do double damage.
    pub boost: u8,
    /// By index, ascending, each once. Distant ones are missing.
    pub drones: Vec<Drone>,
}

/// What one player sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct View {
    /// When. At least 1 in a frame: 0 is the empty view, against which full frames are encoded.
    pub tick: u32,
    /// By seat. Distant players may be some frames old.
    pub players: [PlayerView; SEATS],
    /// The player's own body; none for a spectator.
    pub own: Option<OwnView>,
    /// By slot, ascending, each slot once. Distant ones are missing.
    pub shots: Vec<Shot>,
    /// Drones, pick-ups, flags and teams, if the match has any of them.
    pub extras: Option<Extras>,
}
