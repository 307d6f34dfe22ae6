//! Rules and flags as they are now, read where the config service writes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arena_types::PlayerId;
use arena_types::registry::{
    ActiveRules, FLAGS, FlagRecord, RULES, RulesRecord, STANDARD_GAME, active_rules_key,
};

use crate::Mirror;

/// Live rules and flags. If the registry is away the last known ones stay; the config service is
/// not needed to read them, only to change them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    rules: Mirror,
    flags: Mirror,
    /// Which rules are the active ones, below [`RULES`].
    active: String,
}

impl LiveConfig {
    pub(crate) fn new(rules: Mirror, flags: Mirror) -> Self {
        Self { rules, flags, active: String::new() }.of_game(STANDARD_GAME)
    }

    /// Returns the same with the active rules of `game`.
    #[must_use]
    pub fn of_game(self, game: &str) -> Self {
        let key = active_rules_key(game);
        Self { active: key.strip_prefix(RULES).unwrap_or(&key).to_owned(), ..self }
    }

    /// Waits until there are active rules, and returns them.
    pub async fn first_rules(&mut self) -> Arc<RulesRecord> {
        self.rules.first().await;
        loop {
            if let Some(rules) = self.rules() {
                return rules;
            }
            self.rules.changed().await;
        }
    }

    /// Returns the rules that a new match pins, or `None` before the first are there.
    #[must_use]
    pub fn rules(&self) -> Option<Arc<RulesRecord>> {
        let entries = self.rules.now();
        let active: ActiveRules = parse(entries.get(&self.active)?)?;
        let key = format!("v/{}", active.version);
        parse(entries.get(&key)?).map(Arc::new)
    }

    /// Waits until rules or flags change.
    pub async fn changed(&mut self) {
        tokio::select! {
            _ = self.rules.changed() => {}
            _ = self.flags.changed() => {}
        }
    }

    /// Returns all flags.
    #[must_use]
    pub fn flags(&self) -> BTreeMap<String, FlagRecord> {
        self.flags.parsed(&self.flags.now())
    }

    /// Tells whether the flag `name` is on for `player`; a flag that is not there is off.
    #[must_use]
    pub fn is_on(&self, name: &str, player: PlayerId) -> bool {
        let entries = self.flags.now();
        let flag: Option<FlagRecord> = entries.get(name).and_then(|it| parse(it));
        flag.is_some_and(|it| it.is_on(name, player))
    }
}

fn parse<T: serde::de::DeserializeOwned>(value: &[u8]) -> Option<T> {
    serde_json::from_slice(value).ok()
}

/// The prefixes, in the order of [`LiveConfig::new`].
pub(crate) const PREFIXES: [&str; 2] = [RULES, FLAGS];
