//! The document of rules: every mistake at once, and what is right comes back unchanged.
use expect_test::{Expect, expect};

use crate::Rules;

#[track_caller]
fn check(document: &str, expected: &Expect) {
    let text = match Rules::parse(document) {
        Ok(rules) => format!("ok {:016x}\n", rules.hash()),
        Err(error) => {
            let lines: Vec<String> = error.mistakes.iter().map(ToString::to_string).collect();
            lines.join("\n") + "\n"
        }
    };
    expected.assert_eq(&text);
}

#[test]
fn all_mistakes_come_in_one_pass() {
    check(
        r#"{"projectiles": 300, "gravity": 9, "map": "maze",
            "match": {"frag_limit": "many"}, "player": 7,
            "weapon": {"damage": 0, "walls": "melt", "recoil": 1, "speed_mm_s": 1.5}}"#,
        &expect![[r#"
            `gravity` is not a rule (found 9), remove it; the rules here are version, projectiles, map, match, player, weapon, pickups, drones
            `player` is not an object (found 7), write an object, `{ … }`
            `weapon.recoil` is not a rule (found 1), remove it; the rules here are cooldown_ticks, pellets, spread, speed_mm_s, speed_jitter_mm_s, lifetime_ticks, damage, hit_radius_mm, walls
            `version` is missing, add `"version": 1`
            `projectiles` is not one of the choices (found 300), choose from [256, 512, 2048]: slots for projectiles in flight; the oldest gives way when all are taken
            `match.frag_limit` is not a whole number (found "many"), write a whole number from 0 to 1000: kills (of a team, in team matches) that end a match, 0 = none
            `weapon.speed_mm_s` is not a whole number (found 1.5), write a whole number from 1000 to 55000: slowest projectile
            `weapon.damage` is not between 1 and 255 (found 0), write a whole number from 1 to 255: health a hit takes
            `weapon.walls` is not one of the choices (found "melt"), choose from ["stop", "bounce"]: what a projectile does at a wall; the border always bounces
            `map` is not one of the choices (found "maze"), name one of ["crossfire", "pillars", "rooms", "open", "fort"] or write 16 rows of 16 blocks, `#` wall, `o` cover, `.` floor
        "#]],
    );
}

#[test]
fn values_that_do_not_go_together_are_found() {
    check(
        r#"{"version": 1, "projectiles": 256,
            "weapon": {"pellets": 16, "speed_mm_s": 50000, "speed_jitter_mm_s": 6000}}"#,
        &expect![[r"
            `weapon.speed_jitter_mm_s` does not fit `weapon.speed_mm_s` (found 6000), keep the sum of both at most 55000
        "]],
    );
    check(
        "nonsense",
        &expect![[r"
        `rules` is not valid JSON: expected ident at line 1 column 2, write one JSON object
    "]],
    );
    check(
        "[]",
        &expect![[r#"
        `rules` is not an object (found []), write an object, `{ … }`
        `version` is missing, add `"version": 1`
    "#]],
    );
}

#[test]
fn a_document_survives_a_round_trip() {
    let custom = r#"{"version": 7, "projectiles": 2048, "weapon": {"walls": "bounce"}, "map": [
        "................", "................", "..#.............", "................",
        "................", "................", "................", "................",
        "................", "................", "................", "................",
        "................", "................", "................", "................"]}"#;
    for document in [r#"{"version": 1}"#, custom] {
        let rules = Rules::parse(document).unwrap();
        let again = Rules::from_json(&rules.to_json()).unwrap();
        assert_eq!(again, rules);
    }
}

#[test]
fn a_version_alone_changes_no_hash_and_any_rule_does() {
    let hash = |document: &str| Rules::parse(document).unwrap().hash();
    let standard = hash(r#"{"version": 1}"#);
    assert_eq!(hash(r#"{"version": 2}"#), standard);
    for changed in
        [r#""map": "open""#, r#""player": {"health": 99}"#, r#""weapon": {"walls": "bounce"}"#]
    {
        assert_ne!(hash(&format!(r#"{{"version": 1, {changed}}}"#)), standard, "{changed}");
    }
}

#[test]
fn the_schema_names_every_rule_of_the_document() {
    let (schema, document) = (Rules::json_schema(), Rules::standard().to_json());
    let keys = |value: &serde_json::Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&schema["properties"]), keys(&document));
    for section in ["match", "player", "weapon", "pickups", "drones"] {
        assert_eq!(keys(&schema["properties"][section]["properties"]), keys(&document[section]));
    }
}
