//! A match as bytes: a small header, the slab's words little-endian, the state hash.
//!
//! Reading checks everything that a later tick relies on, so that hostile bytes give an error here and
//! never a panic there.
use crate::PLAYERS;
use crate::hash::{StateHash, hash_body};
use crate::rules::space::ARENA;
use crate::rules::{projectile, space, status};
use crate::ruleset::{Compiled, Rules};
use crate::slab::{self, PLAYER_COLUMNS, PROJECTILE_COLUMNS};
use crate::standings::FinishReason;

/// "ARNA", so that other files are told apart at once.
const MAGIC: u32 = u32::from_le_bytes(*b"ARNA");
/// Header words: magic, schema, projectile slots.
const HEADER_WORDS: usize = 3;
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
    #[error("snapshot has {found} projectile slots, its rules {expected}")]
    Projectiles {
        /// The snapshot's.
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

/// Returns the bytes of a snapshot for `projectiles` slots.
pub(crate) const fn bytes_of(projectiles: usize) -> usize {
    FRAME_BYTES + 4 * slab::words(projectiles)
}

pub(crate) fn encode(words: &[u32], hash: StateHash) -> Vec<u8> {
    let projectiles = (words.len() - PROJECTILE_COLUMNS) / 4;
    let header = [MAGIC, crate::SCHEMA, projectiles as u32];
    let mut bytes = Vec::with_capacity(bytes_of(projectiles));
    for word in header.iter().chain(words) {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&hash.0.to_le_bytes());
    bytes
}

/// Returns the slab's words.
pub(crate) fn decode(bytes: &[u8], rules: &Rules) -> Result<Vec<u32>, SnapshotError> {
    let n = rules.capacity().projectiles();
    let words: Vec<u32> =
        bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    match words.get(..HEADER_WORDS) {
        Some([MAGIC, crate::SCHEMA, found]) if *found as usize != n => {
            return Err(SnapshotError::Projectiles { found: *found, expected: n as u32 });
        }
        Some([MAGIC, crate::SCHEMA, _]) => {}
        Some([MAGIC, found, _]) => {
            return Err(SnapshotError::Schema { found: *found, expected: crate::SCHEMA });
        }
        _ if bytes.len() < FRAME_BYTES => {
            return Err(SnapshotError::Length { found: bytes.len(), expected: bytes_of(n) });
        }
        _ => return Err(SnapshotError::Magic),
    }
    if bytes.len() != bytes_of(n) {
        return Err(SnapshotError::Length { found: bytes.len(), expected: bytes_of(n) });
    }
    let (slab, tail) = words[HEADER_WORDS..].split_at(slab::words(n));
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
    check_header(words, compiled)?;
    for p in 0..PLAYERS {
        check_player(words, p, compiled)?;
    }
    let n = rules.capacity().projectiles();
    for slot in 0..n {
        check_projectile(words, n, slot, compiled)?;
    }
    Ok(())
}

fn check_header(words: &[u32], rules: &Compiled) -> Result<(), SnapshotError> {
    let n = ((words.len() - PROJECTILE_COLUMNS) / 4) as u32;
    let (tick, flags) = (words[slab::TICK], words[slab::FLAGS]);
    require(tick <= rules.time_limit_ticks, "tick", slab::TICK)?;
    require(words[slab::CURSOR] < n, "cursor", slab::CURSOR)?;
    let ends = [FinishReason::Time.flags(), FinishReason::Frags.flags()];
    require(flags == 0 || ends.contains(&flags), "flag", slab::FLAGS)?;
    require(flags != 0 || tick < rules.time_limit_ticks, "tick", slab::TICK)?;
    let seats = words[slab::SEATS];
    require(seats >> PLAYERS & !seats == 0, "seat", slab::SEATS)?;
    match words[slab::SPARE..slab::HEADER].iter().position(|word| *word != 0) {
        Some(i) => require(false, "spare word", slab::SPARE + i),
        None => Ok(()),
    }
}

fn check_player(words: &[u32], p: usize, rules: &Compiled) -> Result<(), SnapshotError> {
    let at = |column: usize| PLAYER_COLUMNS + column * PLAYERS + p;
    let active = words[slab::SEATS] >> p & 1 != 0;
    let state = words[at(3)];
    let (health, wait) = (status::health(state), status::respawn(state));
    let standing = active && wait == 0;
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
    require(wait <= rules.respawn_ticks, "respawn", at(3))
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
    let born = projectile::life(life, projectile::owner(life));
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

fn require(holds: bool, what: &'static str, index: usize) -> Result<(), SnapshotError> {
    if holds { Ok(()) } else { Err(SnapshotError::Value { what, index }) }
}
