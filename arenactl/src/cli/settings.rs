//! Commands about what a running arena can change: flags and rules.

pub(super) mod flag;
pub(super) mod rules;
