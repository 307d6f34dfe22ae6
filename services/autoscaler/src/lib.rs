//! Load to replica counts.
