//! Changes of the registry, each one compare-and-swap.

use std::collections::BTreeMap;
use std::sync::Arc;

use arena_sdk::Game;
use arena_store::{Condition, Registry, StoreError, Transaction, TransactionOutcome};
use arena_types::registry::{
    ActiveRules, FLAGS, FlagRecord, RULES_VERSIONS, RulesRecord, active_rules_key, flag_key,
    rules_key,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ConfigError;
use crate::logic::{self, Publication, State};

/// Tries of a change that somebody else was faster with: operators are few.
const TRIES: u32 = 5;

/// Writes what [`logic`] allows. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    registry: Arc<dyn Registry>,
    game: &'static dyn Game,
    /// The key of the game's active rules.
    active: String,
}

impl Writer {
    /// Writes rules of `game` to `registry`.
    #[must_use]
    pub fn new(registry: Arc<dyn Registry>, game: &'static dyn Game) -> Self {
        Self { registry, game, active: active_rules_key(game.name()) }
    }

    /// Writes the standard rules as the next version and puts them in force, unless some are. Returns whether
    /// this did.
    ///
    /// # Errors
    /// [`ConfigError::Store`], like all here.
    pub async fn seed(&self, now_ms: u64) -> Result<bool, ConfigError> {
        for _ in 0..TRIES {
            let state = self.state().await?;
            if state.active.is_some() {
                return Ok(false);
            }
            let last = state.rules.keys().next_back().copied().unwrap_or(0);
            let (rules, active) = logic::seed(self.game, last, now_ms);
            let key = rules_key(rules.version);
            let write = Transaction::new()
                .when(&key, Condition::Absent)
                .when(&self.active, Condition::Absent)
                .put(&key, json(&rules))
                .put(&self.active, json(&active));
            if self.commit(write).await? {
                return Ok(true);
            }
        }
        Err(StoreError::conflict(RULES_VERSIONS).into())
    }

    /// Checks rules and writes them as the next version; the same rules get the same version.
    ///
    /// # Errors
    /// As [`logic::publish`].
    pub async fn publish(
        &self,
        rules_json: &str,
        by: &str,
        why: &str,
        now_ms: u64,
    ) -> Result<RulesRecord, ConfigError> {
        for _ in 0..TRIES {
            let state = self.state().await?;
            let record = match logic::publish(self.game, &state, rules_json, by, why, now_ms)? {
                Publication::Same(version) => return Ok(state.version(version)?.clone()),
                Publication::New(record) => record,
            };
            let key = rules_key(record.version);
            let write = Transaction::new().when(&key, Condition::Absent).put(&key, json(&record));
            if self.commit(write).await? {
                return Ok(record);
            }
        }
        Err(StoreError::conflict(RULES_VERSIONS).into())
    }

    /// Puts a version in force.
    ///
    /// # Errors
    /// As [`logic::activate`].
    pub async fn activate(
        &self,
        version: u32,
        by: &str,
        now_ms: u64,
    ) -> Result<RulesRecord, ConfigError> {
        let state = self.state().await?;
        let active = logic::activate(self.game, &state, version, by, now_ms)?;
        let write = Transaction::new()
            .when(rules_key(version), Condition::Present)
            .put(&self.active, json(&active));
        if !self.commit(write).await? {
            return Err(ConfigError::NoVersion { version });
        }
        Ok(state.version(version)?.clone())
    }

    /// Writes a flag, whatever it was.
    ///
    /// # Errors
    /// As [`logic::flag`].
    pub async fn write_flag(
        &self,
        name: &str,
        enabled: bool,
        rollout: u32,
        by: &str,
        now_ms: u64,
    ) -> Result<FlagRecord, ConfigError> {
        let state = self.state().await?;
        let flag = logic::flag(&state, name, enabled, rollout, by, now_ms)?;
        self.registry.put(&flag_key(name), json(&flag).into(), None).await?;
        Ok(flag)
    }

    /// Removes a flag.
    ///
    /// # Errors
    /// [`ConfigError::NoFlag`], [`ConfigError::Invalid`].
    pub async fn delete_flag(&self, name: &str) -> Result<(), ConfigError> {
        logic::flag_name(name)?;
        let key = flag_key(name);
        let write = Transaction::new().when(&key, Condition::Present).delete(&key);
        if self.commit(write).await? {
            Ok(())
        } else {
            Err(ConfigError::NoFlag { name: name.to_owned() })
        }
    }

    /// Reads everything, at this moment: decisions are not made from a copy.
    async fn state(&self) -> Result<State, ConfigError> {
        let (versions, flags, active) = tokio::try_join!(
            self.list::<RulesRecord>(RULES_VERSIONS),
            self.list::<FlagRecord>(FLAGS),
            self.registry.get(&self.active),
        )?;
        let active = active.map(|it| parse::<ActiveRules>(&self.active, &it.value)).transpose()?;
        let rules = versions.into_values().map(|it| (it.version, it)).collect();
        Ok(State { rules, active, flags })
    }

    async fn list<T: DeserializeOwned>(
        &self,
        prefix: &str,
    ) -> Result<BTreeMap<String, T>, StoreError> {
        let listing = self.registry.list(prefix).await?;
        let parsed = listing.entries.into_iter().map(|it| {
            let name = it.key.strip_prefix(prefix).unwrap_or(&it.key).to_owned();
            Ok((name, parse(&it.key, &it.value)?))
        });
        parsed.collect()
    }

    async fn commit(&self, write: Transaction) -> Result<bool, ConfigError> {
        let outcome = self.registry.transact(write).await?;
        Ok(matches!(outcome, TransactionOutcome::Committed { .. }))
    }
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record is plain data")
}

fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value)
        .map_err(|error| StoreError::Corrupt { what: key.to_owned(), reason: error.to_string() })
}
