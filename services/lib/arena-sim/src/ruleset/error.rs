//! What can be wrong with a document of rules.
use std::fmt;

use crate::map::MapError;

/// Every mistake of one document of rules, in the order of the document's fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RulesError {
    /// The mistakes; never empty.
    pub mistakes: Vec<Mistake>,
}

/// One mistake: where, what was there, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The field, for example `weapon.damage`; empty for the document itself.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
    /// What was written there, as JSON.
    pub value: String,
    /// What to write instead.
    pub help: String,
}

/// The kinds of mistakes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is no JSON at all.
    #[error("is not valid JSON: {0}")]
    Syntax(String),
    /// A value of the wrong JSON type.
    #[error("is not {expected}")]
    Type {
        /// What belongs there.
        expected: &'static str,
    },
    /// A number outside its range.
    #[error("is not between {min} and {max}")]
    Range {
        /// Least value.
        min: u32,
        /// Greatest value.
        max: u32,
    },
    /// A word or number that is none of the choices.
    #[error("is not one of the choices")]
    Choice,
    /// A key that no rule has.
    #[error("is not a rule")]
    Unknown,
    /// A required field that is absent.
    #[error("is missing")]
    Missing,
    /// A map that cannot be played.
    #[error("{0}")]
    Map(MapError),
    /// Two fields that do not go together.
    #[error("does not fit `{with}`")]
    Conflict {
        /// The other field.
        with: &'static str,
    },
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.mistakes.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "rules" } else { &self.path };
        write!(f, "`{path}` {}", self.problem)?;
        if !self.value.is_empty() {
            write!(f, " (found {})", self.value)?;
        }
        write!(f, ", {}", self.help)
    }
}
