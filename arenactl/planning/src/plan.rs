//! Plans: what a deploy would do, decided in full before anything moves.
//!
//! A plan is a function of (release, observed, seed). Stages come in dependency order, instance names
//! are chosen here, and so is what each stage waits for: an executor has nothing left to choose.

mod choice;
mod diff;
mod error;
mod joinable;
mod make;
mod order;
mod room;
mod shortage;
mod text;
mod types;
mod view;

#[cfg(test)]
mod tests;

pub use error::{PlanError, in_use};
pub use make::{Seed, plan};
pub use text::text;
pub use types::{Action, Counts, FieldChange, Gpus, Impact, Joinable, Plan, ServicePlan, Waiting};
