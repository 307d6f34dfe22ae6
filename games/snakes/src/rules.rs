//! The rules: numbers in one table, which is parser, manual and schema.

use arena_sdk::{PinnedRules, RulesError};
use serde_json::{Map, Value, json};

use crate::random::mix;
use crate::{NAME, SCHEMA};

/// One number of the rules.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    standard: u32,
    doc: &'static str,
}

const fn field(
    name: &'static str,
    (min, max): (u32, u32),
    standard: u32,
    doc: &'static str,
) -> Field {
    Field { name, min, max, standard, doc }
}

/// In the order of [`Rules`].
const FIELDS: [Field; 9] = [
    field("width", (8, 64), 32, "cells from left to right"),
    field("height", (8, 64), 24, "cells from top to bottom"),
    field("step_ticks", (2, 30), 8, "ticks a snake takes for a cell"),
    field("start_length", (2, 8), 4, "cells of a new snake"),
    field("food", (1, 16), 4, "food that lies about"),
    field("growth", (1, 5), 1, "cells a snake grows by for a food"),
    field("kill_points", (0, 10), 3, "points for a snake that runs into one's body; a food is 1"),
    field("respawn_ticks", (1, 600), 120, "ticks a dead snake waits"),
    field("time_limit_ticks", (60, 36_000), 5_400, "ticks of a match, 60 a second"),
];

/// Rules of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) version: u32,
    pub(crate) hash: u64,
    pub(crate) width: u8,
    pub(crate) height: u8,
    pub(crate) step_ticks: u32,
    pub(crate) start_length: u32,
    pub(crate) food: usize,
    pub(crate) growth: u32,
    pub(crate) kill_points: u16,
    pub(crate) respawn_ticks: u32,
    pub(crate) time_limit_ticks: u32,
}

pub(crate) fn parse(document: &Value) -> Result<PinnedRules, RulesError> {
    let Some(given) = document.as_object() else {
        return Err(RulesError::new(vec!["the document must be an object".to_owned()]));
    };
    let mut mistakes: Vec<String> = given
        .keys()
        .filter(|key| *key != "version" && FIELDS.iter().all(|it| it.name != *key))
        .map(|key| format!("`{key}` is not a rule: remove it"))
        .collect();
    let version = number(given, "version", (1, u32::MAX), None, &mut mistakes);
    let values = FIELDS
        .each_ref()
        .map(|it| number(given, it.name, (it.min, it.max), Some(it.standard), &mut mistakes));
    if !mistakes.is_empty() {
        return Err(RulesError::new(mistakes));
    }
    let rules = of(version, values);
    let mut document = json!({ "version": version });
    for (field, value) in FIELDS.iter().zip(values) {
        document[field.name] = value.into();
    }
    let id = (version, rules.hash);
    Ok(PinnedRules::new(NAME, id, &document, &document, rules))
}

fn number(
    given: &Map<String, Value>,
    name: &str,
    (min, max): (u32, u32),
    standard: Option<u32>,
    mistakes: &mut Vec<String>,
) -> u32 {
    let found = given.get(name);
    let value = match found {
        None => standard,
        Some(value) => value.as_u64().and_then(|it| u32::try_from(it).ok()),
    };
    value.filter(|it| (min..=max).contains(it)).unwrap_or_else(|| {
        let found = found.map_or_else(|| "missing".to_owned(), ToString::to_string);
        mistakes.push(format!("`{name}` is {found}: use a whole number from {min} to {max}"));
        min
    })
}

fn of(version: u32, values: [u32; FIELDS.len()]) -> Rules {
    let [width, height, step_ticks, start_length, food, growth, kill_points, respawn, time] =
        values;
    let words = [SCHEMA].into_iter().chain(values);
    let hash = words.fold(0u64, |hash, word| {
        let low = mix(word ^ hash as u32);
        u64::from(mix(low ^ (hash >> 32) as u32)) << 32 | u64::from(low)
    });
    Rules {
        version,
        hash,
        width: width as u8,
        height: height as u8,
        step_ticks,
        start_length,
        food: food as usize,
        growth,
        kill_points: kill_points as u16,
        respawn_ticks: respawn,
        time_limit_ticks: time,
    }
}

pub(crate) fn json_schema() -> Value {
    let mut properties = json!({ "version": {"type": "integer", "minimum": 1} });
    for Field { name, min, max, standard, doc } in FIELDS {
        properties[name] = json!({
            "type": "integer", "minimum": min, "maximum": max, "default": standard, "description": doc,
        });
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of a match of snakes",
        "type": "object",
        "additionalProperties": false,
        "required": ["version"],
        "properties": properties,
    })
}

#[cfg(test)]
pub(crate) fn rules(document: &Value) -> Rules {
    *parse(document).unwrap().parsed().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_with_what_would_be_right() {
        let wrong = json!({"version": 1, "height": 65, "width": "wide", "speed": 3, "food": 0.5});
        let error = parse(&wrong).unwrap_err();
        expect_test::expect![[r#"
            `speed` is not a rule: remove it
            `width` is "wide": use a whole number from 8 to 64
            `height` is 65: use a whole number from 8 to 64
            `food` is 0.5: use a whole number from 1 to 16"#]]
        .assert_eq(&error.mistakes.join("\n"));
    }

    #[test]
    fn every_rule_counts_in_the_hash() {
        let standard = rules(&json!({"version": 1})).hash;
        for field in &FIELDS {
            let other = if field.standard == field.max { field.min } else { field.max };
            let changed = rules(&json!({"version": 1, field.name: other}));
            assert_ne!(changed.hash, standard, "{}", field.name);
        }
    }
}
