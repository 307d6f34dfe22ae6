//! Plans: what a deploy would do, decided in full before anything moves.

mod types;

pub use types::{
    Action, FieldChange, Gpus, Impact, Joinable, Plan, PlanError, ServicePlan, Waiting,
};
