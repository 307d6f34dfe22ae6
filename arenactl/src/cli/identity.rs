//! Commands about certificates.

pub(super) mod certs;
