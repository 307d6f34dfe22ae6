//! Commands about one instance.

pub(super) mod drain;
pub(super) mod logs;
pub(super) mod migrate;
