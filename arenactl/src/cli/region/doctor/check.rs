//! One check and what it found.

/// One check and what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) found: String,
    /// What deserves a look and is no failure.
    pub(super) note: Option<String>,
    pub(super) failure: Option<Failure>,
}

/// What is wrong and what fixes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) what: String,
    pub(super) help: String,
}

impl Check {
    pub(super) fn new(name: &'static str, outcome: Result<String, Failure>) -> Self {
        match outcome {
            Ok(found) => Self { name, found, note: None, failure: None },
            Err(failure) => Self { name, found: String::new(), note: None, failure: Some(failure) },
        }
    }

    pub(super) fn with_note(self, note: Option<String>) -> Self {
        Self { note, ..self }
    }
}

pub(super) fn failure(what: impl Into<String>, help: impl Into<String>) -> Failure {
    Failure { what: what.into(), help: help.into() }
}
