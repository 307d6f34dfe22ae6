//! Commands about what a running arena can change: flags and rules.

mod config_client;
pub(super) mod flag;
pub(super) mod rules;
