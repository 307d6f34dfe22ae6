//! Hidden commands: what arenactl starts itself as.

pub(super) mod exec;
pub(super) mod probe;
pub(super) mod relay;
pub(super) mod supervise;
