//! What is decided here: who may do what.

pub mod access;
