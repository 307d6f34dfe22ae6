//! Commands about images.

pub(super) mod build;
pub(super) mod push;
mod selection;
