//! Hashes that must not change unless [`crate::SCHEMA`] does: a running match would otherwise take
//! another course on a new release.
use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::Arena;
use crate::seam::wild_inputs;
use crate::{Path, Rules};

#[track_caller]
fn check(document: &str, expected: &Expect) {
    let rules = Rules::parse(document).unwrap();
    let mut text = format!("rules {:016x}\n", rules.hash());
    for seed in [1, 0xdead_beef] {
        let mut arena = Arena::new(Path::Avx2, &rules, seed);
        for tick in 0..600 {
            arena.step(&wild_inputs(seed, tick));
        }
        let world = arena.world();
        let deaths: u32 = world.players().map(|it| u32::from(it.deaths)).sum();
        let (flying, drones) = (world.projectiles().count(), world.drones().count());
        let hash = world.state_hash();
        writeln!(text, "{hash} {deaths} deaths, {flying} in flight, {drones} drones").unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn the_standard_rules_take_their_known_course() {
    check(
        r#"{"version": 1}"#,
        &expect![[r"
            rules fd27f5e6331446aa
            24d9d5e211456c00 2 deaths, 83 in flight, 0 drones
            e57871d3c6da8369 1 deaths, 66 in flight, 0 drones
        "]],
    );
}

#[test]
fn a_small_arena_with_shotguns_takes_its_known_course() {
    check(
        r#"{"version": 1, "projectiles": 256, "map": "rooms", "match": {"frag_limit": 0},
            "weapon": {"pellets": 6, "spread": 20, "speed_jitter_mm_s": 6000, "walls": "bounce"}}"#,
        &expect![[r"
            rules 4bbb22459ea75938
            f1891912e64c66da 9 deaths, 233 in flight, 0 drones
            c2f607c6131e1336 5 deaths, 221 in flight, 0 drones
        "]],
    );
}

#[test]
fn a_large_open_arena_takes_its_known_course() {
    check(
        r#"{"version": 1, "projectiles": 2048, "map": "open", "match": {"frag_limit": 0},
            "weapon": {"pellets": 16, "spread": 9, "lifetime_ticks": 128, "cooldown_ticks": 16}}"#,
        &expect![[r"
            rules e1e7db7426abfcf4
            7e2498d27458010c 31 deaths, 1109 in flight, 0 drones
            94d569dc95b5b9f8 22 deaths, 698 in flight, 0 drones
        "]],
    );
}

#[test]
fn a_crowded_match_about_flags_takes_its_known_course() {
    check(
        r#"{"version": 1, "projectiles": 2048, "map": "fort",
            "match": {"mode": "capture", "capture_limit": 0}, "weapon": {"pellets": 8, "spread": 12},
            "pickups": {"count": 16, "respawn_ticks": 120}, "drones": {"count": 64}}"#,
        &expect![[r"
            rules 72f33fae74fbc647
            1228f5e7fffaf2d7 7 deaths, 489 in flight, 2 drones
            f0240ca7503332d3 1 deaths, 622 in flight, 6 drones
        "]],
    );
}

#[test]
fn two_teams_among_drones_take_their_known_course() {
    check(
        r#"{"version": 1, "projectiles": 256, "map": "rooms",
            "match": {"mode": "team", "frag_limit": 0}, "drones": {"count": 20, "health": 1},
            "weapon": {"pellets": 3, "spread": 20, "walls": "bounce"}}"#,
        &expect![[r"
            rules a6a9bde8b6a5fa39
            5f81db4dc8c963b5 2 deaths, 230 in flight, 3 drones
            119e06f4f1115622 0 deaths, 223 in flight, 0 drones
        "]],
    );
}
