//! The settings of a match: parsed once, checked completely, then compiled to words.

mod compiled;
mod error;
mod fields;
mod parse;
mod rules;

pub(crate) use compiled::Compiled;
pub use compiled::Mode;
pub use error::{Mistake, Problem, RulesError};
pub use rules::{Capacity, Rules};
