//! The type the rest of the system passes around.
use std::sync::Arc;

use serde_json::{Value, json};

use super::compiled::{Compiled, Mode};
use super::error::RulesError;
use super::fields::{COUNT, FIELDS, Key, Kind};
use super::parse::{self, Checked};
use crate::map::{BUILT_IN, Map};
use crate::rules::hash::{mix, mix_again};
use crate::tables::COSINES;

/// The rules of a match: valid by construction, cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    document: Arc<Document>,
}

#[derive(Debug, PartialEq, Eq)]
struct Document {
    values: [u32; COUNT],
    map: Map,
    map_name: Option<&'static str>,
    compiled: Compiled,
}

/// What a match has room for: its slab's size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capacity(u8); // invariant: below 6; bit 0 = drones, above it the class of projectiles

impl Capacity {
    /// All classes, smallest first.
    pub const ALL: [Self; 6] = [Self(0), Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// Returns the number of slots for projectiles: 256, 512 or 2048.
    #[must_use]
    pub const fn projectiles(self) -> usize {
        [256, 512, 2_048][self.0 as usize >> 1]
    }

    /// Says whether there is room for drones.
    #[must_use]
    pub const fn has_drones(self) -> bool {
        self.0 & 1 != 0
    }

    /// Returns its place in [`Capacity::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Rules {
    /// Returns the rules a fresh installation plays by, version 1.
    #[must_use]
    pub fn standard() -> Self {
        Self::parse(r#"{"version": 1}"#).expect("a test parses the standard rules")
    }

    /// Reads a JSON document; absent rules but `version` have their standard value.
    ///
    /// # Errors
    /// All mistakes of the document at once.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        parse::parse(text).map(|checked| Self::from_checked(&checked))
    }

    /// Reads an already parsed JSON document, as [`Rules::parse`] does.
    ///
    /// # Errors
    /// All mistakes of the document at once.
    pub fn from_json(document: &Value) -> Result<Self, RulesError> {
        parse::check(document).map(|checked| Self::from_checked(&checked))
    }

    fn from_checked(checked: &Checked) -> Self {
        let Checked { values, map, map_name } = *checked;
        let hash = hash_of(&values, &map);
        let compiled = Compiled::new(&values, &map, hash);
        Self { document: Arc::new(Document { values, map, map_name, compiled }) }
    }

    /// Returns the number that grows with every published change.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.document.values[Key::Version as usize]
    }

    /// Returns a hash of every rule, the map, the tables and the schema, but not of the version:
    /// equal hashes play equally.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.document.compiled.hash
    }

    /// Returns the schema of rules and slabs; instances with different ones cannot exchange matches.
    #[must_use]
    pub const fn schema() -> u32 {
        crate::SCHEMA
    }

    /// Returns the size class of a match with these rules.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        let class = match self.document.values[Key::Projectiles as usize] {
            256 => 0,
            512 => 1,
            _ => 2,
        };
        Capacity(class << 1 | u8::from(self.document.compiled.drones > 0))
    }

    /// Returns the length of a match.
    #[must_use]
    pub fn time_limit_ticks(&self) -> u32 {
        self.document.compiled.time_limit_ticks
    }

    /// Returns the kills that end a match, 0 = none.
    #[must_use]
    pub fn frag_limit(&self) -> u32 {
        self.document.compiled.frag_limit
    }

    /// Returns the ticks a projectile flies; its age is this less what is left.
    #[must_use]
    pub fn projectile_lifetime_ticks(&self) -> u32 {
        self.document.compiled.lifetime_ticks
    }

    /// Returns the health of a fresh player.
    #[must_use]
    pub fn health(&self) -> u32 {
        self.document.compiled.health
    }

    /// Returns what the match is about.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.document.compiled.mode
    }

    /// Returns the number of drones, 0 to 64.
    #[must_use]
    pub fn drones(&self) -> u32 {
        self.document.compiled.drones
    }

    /// Returns the number of pick-ups, 0 to 16.
    #[must_use]
    pub fn pickups(&self) -> usize {
        self.document.compiled.pickups.len()
    }

    /// Returns the cell of each pick-up: row * 16 + column.
    #[must_use]
    pub fn pickup_cells(&self) -> &[u8] {
        &self.document.compiled.pickups
    }

    /// Returns the cell of each team's flag, or `None` if the match is not about flags.
    #[must_use]
    pub fn flag_cells(&self) -> Option<[u8; 2]> {
        (self.mode() == Mode::Capture).then_some(self.document.compiled.homes)
    }

    /// Returns the walls and the cover.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.document.map
    }

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.document.compiled
    }

    /// Returns the complete document, standard values included; [`Rules::from_json`] reads it back.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut document = json!({});
        for field in FIELDS {
            let number = self.document.values[field.key as usize];
            let value = match field.kind {
                Kind::Word(words) => json!(words[number as usize]),
                _ => json!(number),
            };
            match field.path {
                ("", name) => document[name] = value,
                (section, name) => document[section][name] = value,
            }
        }
        document["map"] = match self.document.map_name {
            Some(name) => json!(name),
            None => json!(self.document.map.to_rows()),
        };
        document
    }

    /// Returns the JSON Schema of the document.
    #[must_use]
    pub fn json_schema() -> Value {
        let section = || json!({"type": "object", "additionalProperties": false, "properties": {}});
        let mut root = section();
        root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        root["title"] = json!("Rules of an arena match");
        root["required"] = json!(["version"]);
        for field in FIELDS {
            let mut value = match field.kind {
                Kind::Number(min, max) => {
                    json!({"type": "integer", "minimum": min, "maximum": max})
                }
                Kind::OneOf(choices) => json!({ "enum": choices }),
                Kind::Word(words) => json!({ "enum": words }),
            };
            value["description"] = json!(field.doc);
            value["default"] = match field.kind {
                Kind::Word(words) => json!(words[field.standard as usize]),
                _ => json!(field.standard),
            };
            match field.path {
                ("", name) => root["properties"][name] = value,
                (name, inner) => {
                    if root["properties"][name].is_null() {
                        root["properties"][name] = section();
                    }
                    root["properties"][name]["properties"][inner] = value;
                }
            }
        }
        root["properties"]["map"] = map_schema();
        root
    }
}

fn map_schema() -> Value {
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    let row = json!({"type": "string", "pattern": "^[#.o]{16}$"});
    json!({
        "description": "walls: a built-in map, or 16 rows of 16 blocks of 4 m, `#` wall, `o` cover, `.` floor",
        "default": names[0],
        "oneOf": [{ "enum": names }, {"type": "array", "items": row, "minItems": 16, "maxItems": 16}],
    })
}

fn hash_of(values: &[u32; COUNT], map: &Map) -> u64 {
    let words = [crate::SCHEMA]
        .into_iter()
        .chain(values[Key::Version as usize + 1..].iter().copied())
        .chain(map.words())
        .chain(map.cover_words())
        .chain(COSINES.map(|cosine| cosine as u32));
    let (mut low, mut high) = (0, 0);
    for (i, word) in words.enumerate() {
        low = mix(word ^ low, i as u32);
        high = mix_again(low ^ high);
    }
    u64::from(high) << 32 | u64::from(low)
}
