//! Hashes that must not change unless [`crate::SCHEMA`] does: a running match would otherwise take
//! another course on a new release.
use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::{Arena, wild_inputs};
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
        let flying = world.projectiles().count();
        writeln!(text, "{} {deaths} deaths, {flying} in flight", world.state_hash()).unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn the_standard_rules_take_their_known_course() {
    check(
        r#"{"version": 1}"#,
        &expect![[r"
            rules c4ea9e05ac7b9d20
            b85f9d541bdc13bc 2 deaths, 83 in flight
            ff09c9d59c50d8c7 1 deaths, 66 in flight
        "]],
    );
}

#[test]
fn a_small_arena_with_shotguns_takes_its_known_course() {
    check(
        r#"{"version": 1, "projectiles": 256, "map": "rooms", "match": {"frag_limit": 0},
            "weapon": {"pellets": 6, "spread": 20, "speed_jitter_mm_s": 6000, "walls": "bounce"}}"#,
        &expect![[r"
            rules 5fd72dd50c7bce0a
            27bd36dfc2e9a8a3 9 deaths, 233 in flight
            9809047116da4339 5 deaths, 221 in flight
        "]],
    );
}

#[test]
fn a_large_open_arena_takes_its_known_course() {
    check(
        r#"{"version": 1, "projectiles": 2048, "map": "open", "match": {"frag_limit": 0},
            "weapon": {"pellets": 16, "spread": 9, "lifetime_ticks": 128, "cooldown_ticks": 16}}"#,
        &expect![[r"
            rules 5ef765d584f1ec86
            266a3ba48d8d87c2 31 deaths, 1109 in flight
            5f279bcd85b049af 22 deaths, 698 in flight
        "]],
    );
}
