//! Decides what a deploy does; never acts.
