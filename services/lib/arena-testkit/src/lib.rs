//! Harness for tests: clusters in one process, processes, seeds; and how benches keep their figures.

pub mod bench;
mod cluster;
mod http;

pub use cluster::{CLUSTER, Cluster};
pub use http::{Answer, http};
