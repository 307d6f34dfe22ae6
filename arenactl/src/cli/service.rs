//! Commands about one service.

pub(super) mod scale;
