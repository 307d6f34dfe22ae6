//! Commands about arena.yaml.

pub(super) mod diff;
pub(super) mod init;
pub(super) mod plan;
pub(super) mod schema;
