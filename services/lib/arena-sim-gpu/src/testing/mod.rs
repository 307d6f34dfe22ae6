//! What tests and `make sim` share: random matches on two backends, kernels that are wrong on purpose, and
//! the rule that no lane looks at what an atomic returns.
mod golden;
mod lint;
mod mutants;
mod parity;

pub use golden::play_goldens;
pub use lint::{LintError, used_atomic_results};
pub use mutants::{FIRST, Fate, MUTANTS, Mutant};
pub use parity::{Tally, any_rules, compare, contested_rules, crowded_rules};
