//! What a result means: read from the wire, rated, added up. No clock, no store.

mod intake;
mod rating;
mod totals;

pub use intake::{MODE, outcome, to_wire};
pub use rating::{Rated, START, Standing, rate, score};
pub use totals::Totals;
