use std::fmt;

use serde_json::Value;

use crate::rules::{PinnedRules, RulesError};
use crate::worlds::Worlds;

/// A game. It has no state: matches live in [`Worlds`].
pub trait Game: fmt::Debug + Send + Sync {
    /// Returns its name, of a-z, 0-9 and `-`: in arena.yaml, in replays, and of its page.
    fn name(&self) -> &'static str;

    /// Returns the schema of its states. It grows when the layout or any rule changes what a state means:
    /// golden hashes in its tests fail when somebody forgets.
    fn schema(&self) -> u32;

    /// Returns the schema of its rules' documents.
    fn rules_schema(&self) -> u32;

    /// Returns the seats of a match, at most, 2 to [`crate::SEATS`].
    fn seats_max(&self) -> usize;

    /// Reads a document of rules: a JSON object with its `version`, from 1, and what differs from the
    /// standard rules.
    ///
    /// # Errors
    /// [`RulesError`] with every mistake.
    fn parse_rules(&self, document: &Value) -> Result<PinnedRules, RulesError>;

    /// Returns the JSON Schema of the documents.
    fn rules_json_schema(&self) -> Value;

    /// Returns room for matches, stepped by one thread.
    fn worlds(&self) -> Box<dyn Worlds>;

    /// Returns room for matches that are computed in another way, if the game has one: what the first way
    /// says is checked by it. Both give the same bits.
    fn other_worlds(&self) -> Box<dyn Worlds> {
        self.worlds()
    }

    /// Reads a document of rules as text.
    ///
    /// # Errors
    /// [`RulesError`], also for what is no JSON.
    fn parse_rules_text(&self, document: &str) -> Result<PinnedRules, RulesError> {
        let document = serde_json::from_str(document)
            .map_err(|error| RulesError::new(vec![format!("the document is no JSON: {error}")]))?;
        self.parse_rules(&document)
    }

    /// Returns the rules of a fresh installation, version 1.
    ///
    /// # Panics
    /// If the game does not take a document that holds its version alone.
    fn standard_rules(&self) -> PinnedRules {
        let standard = self.parse_rules(&serde_json::json!({"version": 1}));
        standard.expect("a document may leave out everything but its version")
    }
}
