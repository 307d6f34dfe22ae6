//! The rules of a match as words, and the names a shader has for them.
use std::fmt::Write as _;

use crate::input::buttons;
use crate::ruleset::{Compiled, Mode, Rules};
use crate::slab::{self, DRONES, FIELD, PICKUPS, PLAYERS};
use crate::standings::FinishReason;
use crate::systems::{SPAWN_CANDIDATES, SPAWN_STREAM};

/// Words of one match's rules.
pub const RULES_WORDS: usize = 320;
/// Words of a list of cells: a byte each.
const CELLS: usize = 64;
/// The cell of a pick-up that nobody ever stands on: it shares its cell with an earlier one.
const NOWHERE: u32 = 256;

type Write = fn(&Compiled, &mut [u32]);

/// Every rule the kernel reads: its name, how many words it has, and what writes them.
const PARTS: [(&str, usize, Write); 42] = [
    ("RADIUS", 1, |it, to| to[0] = it.radius as u32),
    ("ACCEL", 1, |it, to| to[0] = it.accel as u32),
    ("DRAG_SHIFT", 1, |it, to| to[0] = it.drag_shift),
    ("SPEED_MAX", 1, |it, to| to[0] = it.speed_max as u32),
    ("HEALTH", 1, |it, to| to[0] = it.health),
    ("RESPAWN_TICKS", 1, |it, to| to[0] = it.respawn_ticks),
    ("COOLDOWN_TICKS", 1, |it, to| to[0] = it.cooldown_ticks),
    ("PELLETS", 1, |it, to| to[0] = it.pellets),
    ("SPREAD", 1, |it, to| to[0] = it.spread),
    ("SPEED", 1, |it, to| to[0] = it.speed as u32),
    ("SPEED_JITTER", 1, |it, to| to[0] = it.speed_jitter as u32),
    ("LIFETIME_TICKS", 1, |it, to| to[0] = it.lifetime_ticks),
    ("DAMAGE", 1, |it, to| to[0] = it.damage),
    ("HIT_MARGIN", 1, |it, to| to[0] = it.hit_margin as u32),
    ("HIT_RADIUS_SQUARED", 1, |it, to| to[0] = it.hit_radius_squared as u32),
    ("WALLS_BOUNCE", 1, |it, to| to[0] = u32::from(it.walls_bounce)),
    ("TIME_LIMIT_TICKS", 1, |it, to| to[0] = it.time_limit_ticks),
    ("FRAG_LIMIT", 1, |it, to| to[0] = it.frag_limit),
    ("MODE", 1, |it, to| to[0] = mode_word(it.mode)),
    ("CAPTURE_LIMIT", 1, |it, to| to[0] = it.capture_limit),
    ("FLAG_RETURN_TICKS", 1, |it, to| to[0] = it.flag_return_ticks),
    ("SPARED_PATTERN", 1, |it, to| to[0] = it.spared_pattern),
    ("SPARED_CHOOSE", 1, |it, to| to[0] = it.spared_choose),
    ("PICKUP_RESPAWN_TICKS", 1, |it, to| to[0] = it.pickup_respawn_ticks),
    ("PICKUP_HEALTH", 1, |it, to| to[0] = it.pickup_health),
    ("BOOST_TICKS", 1, |it, to| to[0] = it.boost_ticks),
    ("DRONES", 1, |it, to| to[0] = it.drones),
    ("DRONE_HEALTH", 1, |it, to| to[0] = it.drone_health),
    ("DRONE_RADIUS", 1, |it, to| to[0] = it.drone_radius as u32),
    ("DRONE_ACCEL", 1, |it, to| to[0] = it.drone_accel as u32),
    ("DRONE_SPEED_MAX", 1, |it, to| to[0] = it.drone_speed_max as u32),
    ("BITE_DAMAGE", 1, |it, to| to[0] = it.bite_damage),
    ("BITE_PAUSE_TICKS", 1, |it, to| to[0] = it.bite_pause_ticks),
    ("DRONE_RESPAWN_TICKS", 1, |it, to| to[0] = it.drone_respawn_ticks),
    ("HOMES", 2, |it, to| to.copy_from_slice(&it.homes.map(u32::from))),
    ("WALLS", 8, |it, to| to.copy_from_slice(&it.walls)),
    ("COVER", 8, |it, to| to.copy_from_slice(&it.cover)),
    ("PICKUPS_COUNT", 1, |it, to| to[0] = it.pickups.len() as u32),
    ("PICKUPS", PICKUPS, |it, to| write_pickups(&it.pickups, to)),
    ("FLOOR", 1 + CELLS, |it, to| write_cells(&it.floor, to)),
    ("SPAWNS_EVEN", 1 + CELLS, |it, to| write_cells(&it.spawns[0], to)),
    ("SPAWNS_ODD", 1 + CELLS, |it, to| write_cells(&it.spawns[1], to)),
];

/// Returns the rules as the kernel reads them, at the places that [`layout_wgsl`] names.
#[must_use]
pub fn rules_words(rules: &Rules) -> Vec<u32> {
    let mut words = vec![0; RULES_WORDS];
    let mut rest = words.as_mut_slice();
    for (_, length, write) in PARTS {
        let (part, after) = rest.split_at_mut(length);
        write(rules.compiled(), part);
        rest = after;
    }
    words
}

/// Returns the constants of a shader: places in a slab, in the rules, and numbers of both.
#[must_use]
pub fn layout_wgsl() -> String {
    let mut text = String::new();
    for (name, value) in NAMES {
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    }
    let mut at = 0;
    for (name, length, _) in PARTS {
        let _ = writeln!(text, "const R_{name}: u32 = {at}u;");
        at += length;
    }
    text
}

#[rustfmt::skip]
const NAMES: [(&str, u32); 29] = [
    ("PLAYERS", PLAYERS as u32),
    ("PICKUPS", PICKUPS as u32),
    ("DRONES", DRONES as u32),
    ("FIELD_WORDS", FIELD as u32),
    ("HEADER_WORDS", slab::HEADER as u32),
    ("TICK", slab::TICK as u32),
    ("SEED", slab::SEED as u32),
    ("CURSOR", slab::CURSOR as u32),
    ("FLAGS", slab::FLAGS as u32),
    ("SEATS", slab::SEATS as u32),
    ("TEAM_SCORES", slab::TEAM_SCORES as u32),
    ("FIRST_FLAG", slab::FLAG_OF[0] as u32),
    ("FLAG_WORDS", (slab::FLAG_OF[1] - slab::FLAG_OF[0]) as u32),
    ("PLAYERS_AT", slab::PLAYER_COLUMNS as u32),
    ("PICKUPS_AT", slab::PICKUP_COLUMN as u32),
    ("PROJECTILES_AT", slab::PROJECTILE_COLUMNS as u32),
    ("RULES_WORDS", RULES_WORDS as u32),
    ("OUTPUT_WORDS", super::OUTPUT_WORDS as u32),
    ("SPAWN_CANDIDATES", SPAWN_CANDIDATES),
    ("SPAWN_STREAM", SPAWN_STREAM),
    ("FIRE", buttons::FIRE as u32),
    ("LEAVE", buttons::LEAVE as u32),
    ("BOT", buttons::BOT as u32),
    ("JOIN", buttons::JOIN as u32),
    ("TEAM_MODE", mode_word(Mode::Team)),
    ("CAPTURE_MODE", mode_word(Mode::Capture)),
    ("END_TIME", FinishReason::Time.flags()),
    ("END_FRAGS", FinishReason::Frags.flags()),
    ("END_CAPTURES", FinishReason::Captures.flags()),
];

const fn mode_word(mode: Mode) -> u32 {
    match mode {
        Mode::Deathmatch => 0,
        Mode::Team => 1,
        Mode::Capture => 2,
    }
}

/// Writes a count and the cells after it, four a word.
fn write_cells(cells: &[u8], to: &mut [u32]) {
    to[0] = cells.len() as u32;
    for (i, cell) in cells.iter().enumerate() {
        to[1 + i / 4] |= u32::from(*cell) << (8 * (i % 4));
    }
}

/// Writes each pick-up's cell: only the first on a cell can be taken.
fn write_pickups(cells: &[u8], to: &mut [u32]) {
    to.fill(NOWHERE);
    for (i, cell) in cells.iter().enumerate() {
        if !cells[..i].contains(cell) {
            to[i] = u32::from(*cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PARTS, RULES_WORDS, layout_wgsl, rules_words};
    use crate::Rules;

    #[test]
    fn the_rules_fit_their_words_and_have_names_of_their_own() {
        assert!(PARTS.iter().map(|(_, length, _)| length).sum::<usize>() <= RULES_WORDS);
        let layout = layout_wgsl();
        let mut names: Vec<&str> =
            layout.lines().filter_map(|line| line.split([' ', ':']).nth(1)).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn other_rules_are_other_words() {
        let words = |document: &str| rules_words(&Rules::parse(document).unwrap());
        let standard = words(r#"{"version": 1}"#);
        for changed in [
            r#""player": {"radius_mm": 400}"#,
            r#""map": "open""#,
            r#""pickups": {"count": 3}"#,
            r#""match": {"mode": "team"}"#,
            r#""drones": {"count": 5}"#,
        ] {
            assert_ne!(words(&format!(r#"{{"version": 1, {changed}}}"#)), standard, "{changed}");
        }
    }
}
