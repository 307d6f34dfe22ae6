//! Commands about what a running arena can change: flags, rules and secrets.

pub(super) mod flag;
pub(super) mod rules;
pub(super) mod secret;
