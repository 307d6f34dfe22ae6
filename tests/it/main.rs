//! The one integration-test binary. A file here that is not declared fails `tidy`.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod chaos;
mod ci;
mod cluster;
mod conformance;
mod image_file;
mod images;
mod layers;
mod local_backend;
mod resume;
mod scripts;
mod supervisor;
mod tidy;
