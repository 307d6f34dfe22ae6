//! The one integration-test binary. A file here that is not declared fails `tidy`.

mod layers;
mod tidy;
