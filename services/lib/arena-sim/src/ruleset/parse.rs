//! JSON → values, with every mistake found in one pass.
use serde_json::{Map as Object, Value};

use super::error::{Mistake, Problem, RulesError};
use super::fields::{COUNT, FIELDS, Field, Key, Kind};
use crate::map::{BUILT_IN, Map};

/// Values that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) values: [u32; COUNT],
    pub(super) map: Map,
    pub(super) map_name: Option<&'static str>,
}

/// The fastest projectile: 55 m/s is 0.92 m a tick, so none passes through a body of 1 m.
const PROJECTILE_SPEED_MAX_MM_S: u32 = 55_000;

pub(super) fn parse(text: &str) -> Result<Checked, RulesError> {
    match serde_json::from_str(text) {
        Ok(document) => check(&document),
        Err(error) => Err(RulesError {
            mistakes: vec![Mistake {
                path: String::new(),
                problem: Problem::Syntax(error.to_string()),
                value: String::new(),
                help: "write one JSON object".to_owned(),
            }],
        }),
    }
}

pub(super) fn check(document: &Value) -> Result<Checked, RulesError> {
    let mut reader = Reader { mistakes: Vec::new() };
    let checked = reader.document(document);
    if reader.mistakes.is_empty() {
        Ok(checked)
    } else {
        Err(RulesError { mistakes: reader.mistakes })
    }
}

struct Reader {
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn mistake(&mut self, path: &str, problem: Problem, value: Option<&Value>, help: String) {
        let value = value.map(Value::to_string).unwrap_or_default();
        self.mistakes.push(Mistake { path: path.to_owned(), problem, value, help });
    }

    fn document(&mut self, document: &Value) -> Checked {
        let empty = Object::new();
        let root = self.object("", document).unwrap_or(&empty);
        self.unknown_keys(root);
        let mut values = FIELDS.map(|field| field.standard);
        for field in FIELDS {
            let (section, name) = field.path;
            let found = match section {
                "" => root.get(name),
                _ => root.get(section).and_then(Value::as_object).and_then(|it| it.get(name)),
            };
            match found {
                Some(value) => {
                    if let Some(number) = self.value(&field, value) {
                        values[field.key as usize] = number;
                    }
                }
                None if field.key == Key::Version => {
                    self.mistake(
                        "version",
                        Problem::Missing,
                        None,
                        "add `\"version\": 1`".to_owned(),
                    );
                }
                None => {}
            }
        }
        let (map, map_name) = self.map(root.get("map"));
        if self.mistakes.is_empty() {
            self.together(&values, &map);
        }
        Checked { values, map, map_name }
    }

    fn object<'a>(&mut self, path: &str, value: &'a Value) -> Option<&'a Object<String, Value>> {
        let object = value.as_object();
        if object.is_none() {
            let help = "write an object, `{ … }`".to_owned();
            self.mistake(path, Problem::Type { expected: "an object" }, Some(value), help);
        }
        object
    }

    fn unknown_keys(&mut self, root: &Object<String, Value>) {
        for (key, value) in root {
            if FIELDS.iter().any(|field| field.path.0 == key) {
                let Some(section) = self.object(key, value) else { continue };
                for (name, value) in section {
                    if !FIELDS.iter().any(|field| field.path == (key.as_str(), name.as_str())) {
                        self.unknown(&format!("{key}.{name}"), key, value);
                    }
                }
            } else if key != "map" && !FIELDS.iter().any(|field| field.path == ("", key.as_str())) {
                self.unknown(key, "", value);
            }
        }
    }

    fn unknown(&mut self, path: &str, section: &str, value: &Value) {
        let mut known: Vec<&str> = FIELDS
            .iter()
            .filter(|field| field.path.0 == section)
            .map(|field| field.path.1)
            .collect();
        if section.is_empty() {
            known.extend(["map", "match", "player", "weapon", "pickups", "drones"]);
        }
        let help = format!("remove it; the rules here are {}", known.join(", "));
        self.mistake(path, Problem::Unknown, Some(value), help);
    }

    fn value(&mut self, field: &Field, value: &Value) -> Option<u32> {
        let path = path_of(field);
        match field.kind {
            Kind::Number(min, max) => {
                let help = format!("write a whole number from {min} to {max}: {}", field.doc);
                if !value.is_i64() && !value.is_u64() {
                    let problem = Problem::Type { expected: "a whole number" };
                    self.mistake(&path, problem, Some(value), help);
                    return None;
                }
                let number = value.as_u64().and_then(|it| u32::try_from(it).ok());
                let number = number.filter(|it| (min..=max).contains(it));
                if number.is_none() {
                    self.mistake(&path, Problem::Range { min, max }, Some(value), help);
                }
                number
            }
            Kind::OneOf(choices) => {
                let chosen =
                    choices.iter().copied().find(|it| value.as_u64() == Some(u64::from(*it)));
                if chosen.is_none() {
                    let help = format!("choose from {choices:?}: {}", field.doc);
                    self.mistake(&path, Problem::Choice, Some(value), help);
                }
                chosen
            }
            Kind::Word(words) => {
                let chosen = words.iter().position(|word| value.as_str() == Some(word));
                if chosen.is_none() {
                    let help = format!("choose from {words:?}: {}", field.doc);
                    self.mistake(&path, Problem::Choice, Some(value), help);
                }
                chosen.map(|index| index as u32)
            }
        }
    }

    fn map(&mut self, value: Option<&Value>) -> (Map, Option<&'static str>) {
        let (standard_name, standard_rows) = BUILT_IN[0];
        let standard = Map::parse(&standard_rows).expect("a test parses every built-in map");
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        let help = format!(
            "name one of {names:?} or write 16 rows of 16 blocks, `#` wall, `o` cover, `.` floor"
        );
        let Some(value) = value else { return (standard, Some(standard_name)) };
        let problem = match value {
            Value::String(name) => match BUILT_IN.iter().find(|(known, _)| known == name) {
                Some((known, rows)) => match Map::parse(rows) {
                    Ok(map) => return (map, Some(known)),
                    Err(error) => Problem::Map(error),
                },
                None => Problem::Choice,
            },
            Value::Array(rows) => {
                let rows: Vec<&str> =
                    rows.iter().map(|row| row.as_str().unwrap_or_default()).collect();
                match Map::parse(&rows) {
                    Ok(map) => return (map, None),
                    Err(error) => Problem::Map(error),
                }
            }
            _ => Problem::Type { expected: "a name or a list of rows" },
        };
        self.mistake("map", problem, Some(value), help);
        (standard, Some(standard_name))
    }

    /// Checks that only make sense once every value is good by itself.
    fn together(&mut self, values: &[u32; COUNT], map: &Map) {
        let value = |key: Key| values[key as usize];
        let volley = value(Key::Pellets) * crate::PLAYERS as u32;
        if volley > value(Key::Projectiles) {
            let problem = Problem::Conflict { with: "projectiles" };
            let help = "lower it: all players' shots of one tick must fit the slots".to_owned();
            self.mistake("weapon.pellets", problem, Some(&value(Key::Pellets).into()), help);
        }
        let halves = [false, true].map(|right| map.free_cells().any(|it| (it & 15 > 7) == right));
        if value(Key::Mode) != 0 && halves != [true, true] {
            let problem = Problem::Conflict { with: "match.mode" };
            let help = "leave floor in the left and the right half: each team starts in its own";
            self.mistake("map", problem, None, help.to_owned());
        }
        if value(Key::Speed) + value(Key::Jitter) > PROJECTILE_SPEED_MAX_MM_S {
            let problem = Problem::Conflict { with: "weapon.speed_mm_s" };
            let help = format!("keep the sum of both at most {PROJECTILE_SPEED_MAX_MM_S}");
            self.mistake(
                "weapon.speed_jitter_mm_s",
                problem,
                Some(&value(Key::Jitter).into()),
                help,
            );
        }
    }
}

pub(super) fn path_of(field: &Field) -> String {
    match field.path {
        ("", name) => name.to_owned(),
        (section, name) => format!("{section}.{name}"),
    }
}
