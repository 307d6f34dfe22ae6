//! The players' edge.
