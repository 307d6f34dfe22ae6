//! Commands that start or steer a rollout.

pub(super) mod abort;
pub(super) mod deploy;
pub(in crate::cli) mod draft;
pub(super) mod pause;
pub(super) mod promote;
pub(super) mod resume;
pub(super) mod rollback;
pub(in crate::cli) mod session;
pub(in crate::cli) mod settle;
pub(super) mod unlock;
