//! Harness for tests: clusters in one process, hostile messages; and how benches keep their figures.

pub mod bench;
mod cluster;
mod hostile;
mod http;

pub use cluster::{CLUSTER, Cluster};
pub use hostile::hostile;
pub use http::{Answer, http};
