//! Harness for tests: clusters in one process, processes, seeds.

mod cluster;
mod http;

pub use cluster::{CLUSTER, Cluster};
pub use http::{Answer, http};
