use std::path::{Path, PathBuf};

use expect_test::{Expect, expect, expect_file};
use proptest::prelude::*;

use super::*;

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/it/fixtures").join(kind);
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut paths: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
    paths.retain(|it| it.extension().is_some_and(|it| it == "yaml"));
    paths.sort();
    assert!(!paths.is_empty(), "no fixtures in {}", folder.display());
    paths
}

#[expect(clippy::disallowed_methods, reason = "fixtures are files, so that one is easily added")]
fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_invalid_fixture_has_its_exact_report() {
    for path in fixtures("invalid") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let read = read(&text_of(&path), &Ask::default());
        assert!(!read.errors.is_empty(), "{name} has no mistake");
        expect_file![path.with_extension("out")].assert_eq(&report(name, &read.errors));
    }
}

#[test]
fn every_valid_fixture_has_its_exact_spec() {
    for path in fixtures("valid") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let read = read(&text_of(&path), &Ask::default());
        assert_eq!(report(name, &read.errors), "");
        let yaml = serde_yaml::to_string(&read.spec).unwrap();
        expect_file![path.with_extension("out")].assert_eq(&yaml);
    }
}

#[test]
fn the_reference_and_our_own_file_have_no_mistake() {
    let own = text_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../arena.yaml"));
    for (name, text, environments) in [
        ("reference.yaml", REFERENCE, &["dev", "production", "staging"][..]),
        ("arena.yaml", &own, &["dev", "lab", "production", "staging"]),
    ] {
        let read = read(text, &Ask::default());
        assert_eq!(report(name, &read.errors), "");
        assert_eq!(read.environments, environments, "{name}");
        for environment in read.environments {
            let ask = Ask { environment: Some(environment.clone()), set: Vec::new() };
            assert_eq!(super::read(text, &ask).spec.environment, environment, "{name}");
        }
    }
}

/// What a resolved spec prints is a file again, and means the same.
#[test]
fn a_spec_reads_back() {
    let spec = read(REFERENCE, &Ask::default()).spec;
    let again = read(&serde_yaml::to_string(&spec).unwrap(), &Ask::default());
    assert_eq!(report("again.yaml", &again.errors), "");
    assert_eq!(again.spec, spec);
}

fn check_set(arguments: &[&str], expect: &Expect) {
    let set = arguments.iter().map(|it| (*it).to_owned()).collect();
    let ask = Ask { environment: None, set };
    let read = read("services:\n  game: { kind: matches, capacity: 4 }\n", &ask);
    let text = match report("arena.yaml", &read.errors) {
        report if report.is_empty() => {
            let game = &read.spec.services[&"game".parse().unwrap()];
            format!("{} {:?} {:?} {}\n", game.instances, game.args, game.env, read.spec.rules)
        }
        report => report,
    };
    expect.assert_eq(&text);
}

#[test]
fn overrides_are_typed() {
    check_set(
        &[
            "services.game.instances=3",
            "services.game.args=[--a, b]",
            "services.game.env.ARENA_GAME_NOTE=a=b",
            "services.game.env.ARENA_GAME_EMPTY=",
            "rules.match.time_limit_ticks=1200",
        ],
        &expect![[r#"
            3 ["--a", "b"] {"ARENA_GAME_EMPTY": "", "ARENA_GAME_NOTE": "a=b"} {"match":{"time_limit_ticks":1200}}
        "#]],
    );
}

#[test]
fn mistakes_in_overrides_name_the_argument() {
    check_set(
        &[
            "services.game.instances=many",
            "services.gmae.instances=2",
            "nonsense",
            "a..b=1",
            "x=[1",
        ],
        &expect![[r"
            error: --set: `a..b` is not a path
              --> --set a..b=1
              help: write names with single dots between them
            error: --set: `nonsense` is not a setting
              --> --set nonsense
              help: write `path=value`: `services.game.instances=2`
            error: services.game.instances: `many` is not a whole number
              --> --set services.game.instances=many
              help: write a number from 0 to 1000
            error: services.gmae.instances: there is no service `gmae`
              --> --set services.gmae.instances=2
              help: did you mean `game`?
            error: x: cannot be read as YAML: while parsing a flow sequence, expected ',' or ']'
              --> --set x=[1
              help: check indentation, colons and quotes on this line
        "]],
    );
}

#[test]
fn an_unknown_environment_is_a_mistake() {
    let ask = Ask { environment: Some("prodution".to_owned()), set: Vec::new() };
    let read = read(REFERENCE, &ask);
    expect![[r"
        error: environment: there is no environment `prodution`
          --> arena.yaml:129:3
          help: did you mean `production`?
    "]]
    .assert_eq(&report("arena.yaml", &read.errors));
}

proptest! {
    /// Whatever is in the file, it is read to the end and the report can be printed.
    #[test]
    fn any_text_is_answered(text in "[a-z:\\-\\[\\]{}#&*!|>'\"%@ ,?\n\t0-9~]{0,200}") {
        let read = read(&text, &Ask::default());
        prop_assert!(!report("any.yaml", &read.errors).is_empty() || !read.spec.services.is_empty());
    }

    /// Breaking the reference anywhere is answered too.
    #[test]
    fn a_broken_reference_is_answered(at in 0..REFERENCE.len(), with in "[:\\[{}\n\t \"']{0,3}") {
        let at = (0..=at).rev().find(|it| REFERENCE.is_char_boundary(*it)).unwrap();
        let text = format!("{}{with}{}", &REFERENCE[..at], &REFERENCE[at..]);
        let read = read(&text, &Ask::default());
        prop_assert!(read.errors.is_empty() || !report("broken.yaml", &read.errors).is_empty());
    }
}

/// Walks the reference by the schema: every key is known there. Returns the keys that were met, by
/// definition.
fn walk(
    value: &serde_json::Value,
    schema: &serde_json::Value,
    root: &serde_json::Value,
    met: &mut Met,
) {
    if let Some(target) = schema.get("$ref").and_then(|it| it.as_str()) {
        let name = target.rsplit('/').next().unwrap();
        let definition = &root["$defs"][name];
        if let (Some(object), Some(properties)) = (value.as_object(), definition.get("properties"))
        {
            for key in object.keys() {
                assert!(properties.get(key).is_some(), "`{key}` is not in the schema's {name}");
                met.entry(name.to_owned()).or_default().insert(key.clone());
            }
        }
        return walk(value, definition, root, met);
    }
    for option in schema.get("anyOf").and_then(|it| it.as_array()).into_iter().flatten() {
        walk(value, option, root, met);
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let below = schema.get("properties").and_then(|it| it.get(key));
        if let Some(below) = below.or_else(|| schema.get("additionalProperties")) {
            walk(value, below, root, met);
        }
    }
}

type Met = BTreeMap<String, std::collections::BTreeSet<String>>;

#[test]
fn the_reference_has_exactly_the_keys_of_the_schema() {
    let (root, mut met) = (schema(), Met::new());
    let reference: serde_json::Value = serde_yaml::from_str(REFERENCE).unwrap();
    walk(&reference, &root, &root, &mut met);
    let keys = |it: &serde_json::Value| -> std::collections::BTreeSet<String> {
        it.as_object().into_iter().flat_map(|it| it.keys().cloned()).collect()
    };
    assert_eq!(keys(&reference), keys(&root["properties"]));
    for (name, definition) in root["$defs"].as_object().unwrap() {
        if let Some(properties) = definition.get("properties").filter(|_| name != "Overlay") {
            assert_eq!(met.get(name), Some(&keys(properties)), "{name}");
        }
    }
}
