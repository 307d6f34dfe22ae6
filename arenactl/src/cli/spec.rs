//! Commands about arena.yaml.

pub(super) mod diff;
pub(super) mod init;
pub(super) mod plan;
pub(super) mod render;
pub(super) mod schema;
