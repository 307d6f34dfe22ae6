//! Commands about a region as a whole.

pub(super) mod doctor;
pub(super) mod down;
pub(super) mod history;
pub(super) mod status;
pub(super) mod top;
