//! The live view of regions: `watch` and `screen` wait, everything else decides.
//!
//! `watch` looks at each region in a task of its own and tells what it saw; `board` remembers that and makes a
//! `model` of it, which is all that `draw` and the JSON know; `view` is what the person at the keys chose.

mod board;
mod columns;
mod draw;
mod model;
mod moves;
mod popup;
mod screen;
mod shares;
#[cfg(test)]
mod tests;
mod view;
mod watch;

pub(crate) use board::{Board, Moment};
pub(crate) use draw::{Paint, plain};
pub(crate) use screen::show;
pub(crate) use watch::{Told, Watching};
