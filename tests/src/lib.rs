//! Harness of the integration tests.

mod binary;

pub use binary::binary;
