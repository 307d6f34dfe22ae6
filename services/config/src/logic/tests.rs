use serde_json::json;

use super::*;

fn arena() -> &'static dyn Game {
    arena_games::standard()
}

fn seeded() -> State {
    let (rules, active) = seed(arena(), 0, 1);
    State {
        rules: BTreeMap::from([(rules.version, rules)]),
        active: Some(active),
        flags: BTreeMap::new(),
    }
}

/// The standard rules with one number changed.
fn changed(by: u64) -> String {
    let mut document = serde_json::from_str::<Value>(arena().standard_rules().document()).unwrap();
    let value = document.pointer_mut("/match/time_limit_ticks").expect("a match has a time limit");
    *value = json!(value.as_u64().unwrap() + by);
    document.to_string()
}

#[test]
fn a_fresh_installation_plays_version_one() {
    let state = seeded();
    let active = state.active_rules().unwrap();
    assert_eq!(active.version, 1);
    assert_eq!(
        arena().parse_rules_text(&active.rules_json).unwrap().hash(),
        arena().standard_rules().hash()
    );
}

#[test]
fn a_change_gets_the_next_version_and_a_repeat_the_same() {
    let mut state = seeded();
    let Publication::New(second) =
        publish(arena(), &state, &changed(1), "ann", "longer", 5).unwrap()
    else {
        panic!("it is new");
    };
    assert_eq!((second.version, second.by.as_str(), second.published_ms), (2, "ann", 5));
    state.rules.insert(2, second.clone());
    let again = publish(arena(), &state, &changed(1), "bob", "again", 6).unwrap();
    assert_eq!(again, Publication::Same(2));
    let standard = publish(arena(), &state, "{}", "bob", "back", 7).unwrap();
    assert_eq!(standard, Publication::Same(1), "what differs from the standard: nothing");
    let written = publish(arena(), &state, &second.rules_json, "bob", "again", 8).unwrap();
    assert_eq!(written, Publication::Same(2), "a record reads back as itself");
}

#[test]
fn every_mistake_is_listed_and_nothing_is_written() {
    let state = seeded();
    let document =
        json!({"match": {"time_limit_ticks": -1}, "weapon": {"damage": "a lot"}, "gravity": 9});
    let error = publish(arena(), &state, &document.to_string(), "ann", "", 5).unwrap_err();
    let ConfigError::Rules(rules) = &error else { panic!("{error}") };
    assert!(rules.mistakes.len() >= 3, "{error}");
    for document in ["", "[]", "{", "null"] {
        let error = publish(arena(), &state, document, "ann", "", 5).unwrap_err();
        assert!(matches!(error, ConfigError::Rules(_)), "{document}: {error}");
    }
    assert!(matches!(
        publish(arena(), &state, "{}", " ", "", 5),
        Err(ConfigError::Invalid { field: "by", .. })
    ));
}

#[test]
fn only_what_is_there_can_be_put_in_force() {
    let state = seeded();
    assert_eq!(activate(arena(), &state, 1, "ann", 5).unwrap().version, 1);
    for version in [0, 2] {
        assert!(matches!(
            activate(arena(), &state, version, "ann", 5),
            Err(ConfigError::NoVersion { .. })
        ));
    }
    assert_eq!(state.version(0).unwrap().version, 1);
    assert!(State::default().version(0).is_err());
}

#[test]
fn flags_are_named_and_bounded() {
    let mut state = seeded();
    for (name, rollout, ok) in [
        ("dash", 100_000, true),
        ("d", 0, true),
        ("dash", 100_001, false),
        ("", 0, false),
        ("Dash", 0, false),
        ("../dash", 0, false),
        (&*"d".repeat(64), 0, false),
    ] {
        let flag = flag(&state, name, true, rollout, "ann", 5);
        assert_eq!(flag.is_ok(), ok, "{name} {rollout}");
    }
    let record = flag(&state, "dash", true, 5, "ann", 5).unwrap();
    for index in 0..FLAGS_MAX {
        state.flags.insert(format!("f{index}"), record.clone());
    }
    assert!(matches!(
        flag(&state, "one-more", true, 5, "ann", 5),
        Err(ConfigError::TooMany { .. })
    ));
    assert!(flag(&state, "f7", false, 5, "ann", 5).is_ok());
}
