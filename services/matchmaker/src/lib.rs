//! Tickets in, matches out; parties. [`logic`] decides who plays with whom and where.

pub mod logic;
