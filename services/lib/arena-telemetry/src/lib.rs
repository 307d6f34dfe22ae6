//! Logs and metrics of a service.
//!
//! [`logs::start`] sets up the one subscriber of the process: text for a person at a terminal, one
//! JSON object a line elsewhere, each with the instance and release it comes from and the fields of
//! its spans: inside a call `trace_id`, which ties a request together across services, as the mesh
//! passes it on. [`Metrics`] is the registry that `/metrics` prints; every metric is declared in
//! [`names`], `docs/metrics.md` is printed from it.

mod json;
pub mod logs;
mod metrics;
pub mod names;
mod process;

pub use metrics::{Label, Metrics};
pub use names::{Kind, Metric};
