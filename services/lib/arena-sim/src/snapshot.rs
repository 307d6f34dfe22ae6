//! A match as bytes: a small header, the slab's words little-endian, the state hash.
//!
//! Reading checks everything that a later tick relies on, so that hostile bytes give an error here and
//! never a panic there.
use crate::PLAYERS;
use crate::hash::{StateHash, hash_body};
use crate::rules::space::ARENA;
use crate::rules::{crowd, projectile, space, status, teams};
use crate::ruleset::{Capacity, Compiled, Mode, Rules};
use crate::slab::{self, DRONES, PICKUPS, PLAYER_COLUMNS, PROJECTILE_COLUMNS};
use crate::standings::FinishReason;

/// "ARNA", so that other files are told apart at once.
const MAGIC: u32 = u32::from_le_bytes(*b"ARNA");
/// Header words: magic, schema, projectile slots (low half) and drones (high half).
pub(crate) const HEADER_WORDS: usize = 3;
/// Bytes before and after the slab's words.
const FRAME_BYTES: usize = 4 * HEADER_WORDS + 8;
/// The fastest a projectile is under any rules, Q4.12 metres a tick, with room for rounding.
const PROJECTILE_SPEED_MAX: i32 = 4_096;
/// The farthest a line's origin can be: the arena and the longest flight at the greatest speed.
const ORIGIN_MAX: i32 = ARENA + (PROJECTILE_SPEED_MAX << 4) * 1_024;

/// Why bytes are no snapshot of a match with the given rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Too few bytes, or too many.
    #[error("snapshot has {found} bytes, expected {expected}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes of a snapshot with these rules.
        expected: usize,
    },
    /// Not a snapshot at all.
    #[error("bytes do not start as a snapshot does")]
    Magic,
    /// Written by a simulation that plays differently.
    #[error("snapshot has schema {found}, this simulation {expected}")]
    Schema {
        /// The snapshot's.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// Of another size class.
    #[error(
        "snapshot has room for {} projectiles and {} drones, its rules for {} and {}",
        found & 0xffff, found >> 16, expected & 0xffff, expected >> 16
    )]
    Capacity {
        /// The snapshot's projectiles, and drones in the high half.
        found: u32,
        /// The rules'.
        expected: u32,
    },
    /// Played by other rules.
    #[error("snapshot was played by rules {found:016x}, not {expected:016x}")]
    Rules {
        /// The snapshot's hash of rules.
        found: u64,
        /// The given rules' hash.
        expected: u64,
    },
    /// The words do not add up to the hash that follows them.
    #[error("snapshot is damaged: its state hashes to {found}, not {expected}")]
    Hash {
        /// What the words hash to.
        found: StateHash,
        /// What was written.
        expected: StateHash,
    },
    /// A word that no match could have.
    #[error("snapshot has an impossible {what} in word {index}")]
    Value {
        /// What the word holds.
        what: &'static str,
        /// The word of the slab.
        index: usize,
    },
}

/// Returns the bytes of a snapshot.
pub(crate) const fn bytes_of(capacity: Capacity) -> usize {
    FRAME_BYTES + 4 * slab::words(capacity)
}

/// Returns the header's word for a size class.
fn capacity_word(capacity: Capacity) -> u32 {
    let drones = if capacity.has_drones() { DRONES as u32 } else { 0 };
    capacity.projectiles() as u32 | drones << 16
}

pub(crate) fn encode(words: &[u32], capacity: Capacity, hash: StateHash) -> Vec<u8> {
    let header = [MAGIC, crate::SCHEMA, capacity_word(capacity)];
    let mut bytes = Vec::with_capacity(bytes_of(capacity));
    for word in header.iter().chain(words) {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&hash.0.to_le_bytes());
    bytes
}

/// Returns the slab's words.
pub(crate) fn decode(bytes: &[u8], rules: &Rules) -> Result<Vec<u32>, SnapshotError> {
    let capacity = rules.capacity();
    let words: Vec<u32> =
        bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    match words.get(..HEADER_WORDS) {
        Some([MAGIC, crate::SCHEMA, found]) if *found != capacity_word(capacity) => {
            let expected = capacity_word(capacity);
            return Err(SnapshotError::Capacity { found: *found, expected });
        }
        Some([MAGIC, crate::SCHEMA, _]) => {}
        Some([MAGIC, found, _]) => {
            return Err(SnapshotError::Schema { found: *found, expected: crate::SCHEMA });
        }
        _ if bytes.len() < FRAME_BYTES => {
            return Err(SnapshotError::Length { found: bytes.len(), expected: bytes_of(capacity) });
        }
        _ => return Err(SnapshotError::Magic),
    }
    if bytes.len() != bytes_of(capacity) {
        return Err(SnapshotError::Length { found: bytes.len(), expected: bytes_of(capacity) });
    }
    let (slab, tail) = words[HEADER_WORDS..].split_at(slab::words(capacity));
    let (found, expected) =
        (hash_body(slab), StateHash(u64::from(tail[1]) << 32 | u64::from(tail[0])));
    if found != expected {
        return Err(SnapshotError::Hash { found, expected });
    }
    check(slab, rules)?;
    Ok(slab.to_vec())
}

fn check(words: &[u32], rules: &Rules) -> Result<(), SnapshotError> {
    let compiled = rules.compiled();
    let fingerprint = compiled.fingerprint();
    if words[slab::RULES + 1..slab::RULES + 3] != fingerprint[1..] {
        let found = u64::from(words[slab::RULES + 2]) << 32 | u64::from(words[slab::RULES + 1]);
        return Err(SnapshotError::Rules { found, expected: rules.hash() });
    }
    check_header(words, rules)?;
    for p in 0..PLAYERS {
        check_player(words, p, compiled)?;
    }
    for team in 0..2 {
        check_flag(words, team, compiled)?;
    }
    for i in 0..PICKUPS {
        let (at, used) = (slab::PICKUP_COLUMN + i, i < compiled.pickups.len());
        let most = if used { compiled.pickup_respawn_ticks } else { 0 };
        require(words[at] <= most, "pick-up", at)?;
    }
    let n = rules.capacity().projectiles();
    for slot in 0..n {
        check_projectile(words, n, slot, compiled)?;
    }
    if rules.capacity().has_drones() {
        for i in 0..DRONES {
            check_drone(words, slab::drone_columns(n), i, compiled)?;
        }
    }
    Ok(())
}

fn check_header(words: &[u32], document: &Rules) -> Result<(), SnapshotError> {
    let rules = document.compiled();
    let n = document.capacity().projectiles() as u32;
    let (tick, flags) = (words[slab::TICK], words[slab::FLAGS]);
    require(tick <= rules.time_limit_ticks, "tick", slab::TICK)?;
    require(words[slab::CURSOR] < n, "cursor", slab::CURSOR)?;
    let ends = [FinishReason::Time, FinishReason::Frags, FinishReason::Captures];
    let over = ends.iter().any(|it| it.flags() == flags);
    require(flags == 0 || over, "flag", slab::FLAGS)?;
    require(flags != 0 || tick < rules.time_limit_ticks, "tick", slab::TICK)?;
    let seats = words[slab::SEATS];
    require(seats >> PLAYERS & !seats == 0, "seat", slab::SEATS)?;
    let scores = words[slab::TEAM_SCORES];
    require(scores == 0 || rules.mode != Mode::Deathmatch, "team score", slab::TEAM_SCORES)?;
    require(words[slab::SPARE] == 0, "spare word", slab::SPARE)
}

fn check_flag(words: &[u32], team: usize, rules: &Compiled) -> Result<(), SnapshotError> {
    let at = slab::FLAG_OF[team];
    let (state, x, y) = (words[at], words[at + 1] as i32, words[at + 2] as i32);
    let carrier = teams::flag_carrier(state);
    let wait = teams::flag_wait(state);
    let known = match teams::flag_kind(state) {
        teams::FLAG_HOME => state == 0,
        teams::FLAG_CARRIED => {
            let other = teams::team_of(carrier) as usize != team;
            other && state == teams::flag_carried(carrier) && stands(words, carrier as usize)
        }
        teams::FLAG_DROPPED => {
            state == teams::flag_dropped(wait) && (1..=rules.flag_return_ticks).contains(&wait)
        }
        _ => false,
    };
    require(known && (state == 0 || rules.mode == Mode::Capture), "state of a flag", at)?;
    let dropped = teams::flag_kind(state) == teams::FLAG_DROPPED;
    let limit = if dropped { ARENA } else { 0 };
    require((0..=limit).contains(&x), "flag's position", at + 1)?;
    require((0..=limit).contains(&y), "flag's position", at + 2)
}

/// Says whether a player stands in the arena.
fn stands(words: &[u32], p: usize) -> bool {
    let state = words[PLAYER_COLUMNS + 3 * PLAYERS + p];
    words[slab::SEATS] >> p & 1 != 0 && status::respawn(state) == 0
}

fn check_player(words: &[u32], p: usize, rules: &Compiled) -> Result<(), SnapshotError> {
    let at = |column: usize| PLAYER_COLUMNS + column * PLAYERS + p;
    let active = words[slab::SEATS] >> p & 1 != 0;
    let state = words[at(3)];
    let (health, wait) = (status::health(state), status::respawn(state));
    let standing = stands(words, p);
    for axis in 0..2 {
        let place = words[at(axis)] as i32;
        let (low, high) =
            if standing { (rules.radius, ARENA - rules.radius - 1) } else { (0, ARENA) };
        require((low..=high).contains(&place), "player's position", at(axis))?;
    }
    let (vx, vy) = (space::velocity_x(words[at(2)]), space::velocity_y(words[at(2)]));
    let slow = vx.abs() <= rules.speed_max && vy.abs() <= rules.speed_max;
    require(slow, "player's velocity", at(2))?;
    require(active || state == 0, "status of an empty seat", at(3))?;
    require(health <= rules.health && (health != 0) == standing, "health", at(3))?;
    require(status::cooldown(state) <= rules.cooldown_ticks, "cooldown", at(3))?;
    require(wait <= rules.respawn_ticks, "respawn", at(3))?;
    let most = if standing && !rules.pickups.is_empty() { rules.boost_ticks } else { 0 };
    require(words[at(5)] <= most, "effect", at(5))
}

fn check_projectile(
    words: &[u32],
    n: usize,
    slot: usize,
    rules: &Compiled,
) -> Result<(), SnapshotError> {
    let at = |column: usize| PROJECTILE_COLUMNS + column * n + slot;
    let (v, life) = (words[at(2)], words[at(3)]);
    let velocity = [space::velocity_x(v), space::velocity_y(v)];
    if !projectile::is_live(life) {
        require(life == projectile::spent(life), "projectile's life", at(3))?;
        let empty = words[at(0)] | words[at(1)] | v == 0;
        return require(empty, "projectile in a free slot", at(0));
    }
    let age = projectile::age(life, words[slab::TICK]);
    let boosted = if rules.pickups.is_empty() { 0 } else { life & projectile::BOOSTED };
    let born = projectile::life(life, projectile::owner(life)) | boosted;
    let young = 0 < age && age < rules.lifetime_ticks && age <= words[slab::TICK];
    require(life == born && young, "projectile's life", at(3))?;
    let slow = velocity.iter().all(|v| v.abs() <= PROJECTILE_SPEED_MAX);
    require(slow, "projectile's velocity", at(2))?;
    for axis in 0..2 {
        let origin = words[at(axis)] as i32;
        let near = (-ORIGIN_MAX..=ORIGIN_MAX).contains(&origin);
        let inside =
            near && (0..=ARENA).contains(&projectile::place_at(origin, velocity[axis], age));
        require(inside, "projectile's position", at(axis))?;
    }
    Ok(())
}

fn check_drone(
    words: &[u32],
    first: usize,
    i: usize,
    rules: &Compiled,
) -> Result<(), SnapshotError> {
    let at = |column: usize| first + column * DRONES + i;
    let (v, state) = (words[at(2)], words[at(3)]);
    let (health, wait) = (crowd::drone_health(state), crowd::drone_wait(state));
    let fits = if i >= rules.drones as usize {
        state == 0
    } else if health == 0 {
        let longest = rules.drone_respawn_ticks.max(DRONES as u32);
        crowd::drone_bite(state) == 0 && (1..=longest).contains(&wait)
    } else {
        let bite = crowd::drone_bite(state);
        health <= rules.drone_health && bite <= rules.bite_pause_ticks && wait == 0
    };
    require(fits, "status of a drone", at(3))?;
    let margin = if health == 0 { 0 } else { rules.drone_radius };
    for axis in 0..2 {
        let inside = (margin..=ARENA - margin).contains(&(words[at(axis)] as i32));
        require(inside, "drone's position", at(axis))?;
    }
    let speed = space::velocity_x(v).abs().max(space::velocity_y(v).abs());
    let most = if health == 0 { 0 } else { rules.drone_speed_max };
    require(speed <= most, "drone's velocity", at(2))
}

fn require(holds: bool, what: &'static str, index: usize) -> Result<(), SnapshotError> {
    if holds { Ok(()) } else { Err(SnapshotError::Value { what, index }) }
}
