//! What may be written: state and request in, record out. No registry, no clock.

use std::collections::BTreeMap;

use arena_sdk::{Game, PinnedRules, RulesError};
use arena_types::Share;
use arena_types::registry::{ActiveRules, FlagRecord, RulesRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ConfigError;

/// Versions kept; matches and replays name them, so none is ever deleted.
pub const VERSIONS_MAX: usize = 4_096;
/// Flags at once; all of them are sent to every watcher.
pub const FLAGS_MAX: usize = 1_000;
/// Longest `by` and `why`, in bytes.
const TEXT_BYTES_MAX: usize = 1_000;
/// Who made version 1.
const NOBODY: &str = "arena";

/// Everything this service keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The versions of the rules.
    pub rules: BTreeMap<u32, RulesRecord>,
    /// The one in force.
    pub active: Option<ActiveRules>,
    /// The flags.
    pub flags: BTreeMap<String, FlagRecord>,
}

impl State {
    /// Returns the rules in force.
    #[must_use]
    pub fn active_rules(&self) -> Option<&RulesRecord> {
        self.rules.get(&self.active.as_ref()?.version)
    }

    /// Returns a version; 0 is the active one.
    ///
    /// # Errors
    /// [`ConfigError::NoVersion`].
    pub fn version(&self, version: u32) -> Result<&RulesRecord, ConfigError> {
        let found = if version == 0 { self.active_rules() } else { self.rules.get(&version) };
        found.ok_or(ConfigError::NoVersion { version })
    }
}

/// Rules that were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// A version to write.
    New(RulesRecord),
    /// They play exactly like this version, which is there already.
    Same(u32),
}

/// Checks a document and gives it the next version, unless it plays like an existing one.
///
/// # Errors
/// [`ConfigError::Rules`] with every mistake, [`ConfigError::Invalid`], [`ConfigError::TooMany`].
pub fn publish(
    game: &dyn Game,
    state: &State,
    rules_json: &str,
    by: &str,
    why: &str,
    now_ms: u64,
) -> Result<Publication, ConfigError> {
    let (by, why) = (text("by", by)?, why.trim());
    if why.len() > TEXT_BYTES_MAX {
        return Err(ConfigError::Invalid { field: "why", rule: "at most 1000 bytes" });
    }
    let last = state.rules.keys().next_back().copied().unwrap_or(0);
    let rules = parse(game, rules_json, last + 1).map_err(ConfigError::Rules)?;
    let own = state.rules.values().rev().filter(|it| it.game == game.name());
    let hash_of = |it: &RulesRecord| game.parse_rules_text(&it.rules_json).ok().map(|it| it.hash());
    let same = own.into_iter().find(|it| hash_of(it) == Some(rules.hash()));
    if let Some(same) = same {
        return Ok(Publication::Same(same.version));
    }
    if state.rules.len() >= VERSIONS_MAX {
        return Err(ConfigError::TooMany { what: "versions of the rules", max: VERSIONS_MAX });
    }
    let why = why.to_owned();
    Ok(Publication::New(record(&rules, by, why, now_ms)))
}

/// Returns the rules that a game begins with where none of it are active: the standard ones, as the version
/// after `last`.
///
/// # Panics
/// If the game cannot play its own standard rules.
#[must_use]
pub fn seed(game: &dyn Game, last: u32, now_ms: u64) -> (RulesRecord, ActiveRules) {
    let why = "the standard rules".to_owned();
    let rules = parse(game, "{}", last + 1).expect("standard rules can be played");
    let rules = record(&rules, NOBODY.to_owned(), why, now_ms);
    let active =
        ActiveRules { version: rules.version, by: NOBODY.to_owned(), activated_ms: now_ms };
    (rules, active)
}

/// Puts a version in force.
///
/// # Errors
/// [`ConfigError::NoVersion`], [`ConfigError::Invalid`].
pub fn activate(
    game: &dyn Game,
    state: &State,
    version: u32,
    by: &str,
    now_ms: u64,
) -> Result<ActiveRules, ConfigError> {
    let known = state.rules.get(&version).filter(|it| it.game == game.name());
    if known.is_none() {
        return Err(ConfigError::NoVersion { version });
    }
    Ok(ActiveRules { version, by: text("by", by)?, activated_ms: now_ms })
}

/// Checks a flag to write.
///
/// # Errors
/// [`ConfigError::Invalid`], [`ConfigError::TooMany`].
pub fn flag(
    state: &State,
    name: &str,
    enabled: bool,
    rollout: u32,
    by: &str,
    now_ms: u64,
) -> Result<FlagRecord, ConfigError> {
    flag_name(name)?;
    let rule = "0 to 100000 thousandths of a percent";
    let rollout =
        Share::try_from(rollout).map_err(|_| ConfigError::Invalid { field: "rollout", rule })?;
    if !state.flags.contains_key(name) && state.flags.len() >= FLAGS_MAX {
        return Err(ConfigError::TooMany { what: "flags", max: FLAGS_MAX });
    }
    Ok(FlagRecord { enabled, rollout, by: text("by", by)?, updated_ms: now_ms })
}

/// Checks the name of a flag.
///
/// # Errors
/// [`ConfigError::Invalid`].
pub fn flag_name(name: &str) -> Result<(), ConfigError> {
    let is_part = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    if (1..=63).contains(&name.len()) && name.bytes().all(is_part) {
        Ok(())
    } else {
        Err(ConfigError::Invalid { field: "name", rule: "1 to 63 of a-z, 0-9 and `-`" })
    }
}

fn record(rules: &PinnedRules, by: String, why: String, published_ms: u64) -> RulesRecord {
    // Complete, so that a later change of a default does not change an old version.
    let rules_json = rules.document().to_owned();
    let game = rules.game().to_owned();
    RulesRecord { version: rules.version(), game, rules_json, by, why, published_ms }
}

/// The version is this service's to give, whatever the document says.
fn parse(game: &dyn Game, rules_json: &str, version: u32) -> Result<PinnedRules, RulesError> {
    match serde_json::from_str::<Value>(rules_json) {
        Ok(Value::Object(mut document)) => {
            document.insert("version".to_owned(), version.into());
            game.parse_rules(&Value::Object(document))
        }
        // Not an object: the parser of rules says what is wrong, and with what.
        _ => game.parse_rules_text(rules_json),
    }
}

fn text(field: &'static str, text: &str) -> Result<String, ConfigError> {
    let text = text.trim();
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(ConfigError::Invalid { field, rule: "1 to 1000 bytes" });
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
