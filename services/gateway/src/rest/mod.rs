//! The REST side: logins, tables, status. JSON in, JSON out, one shape of errors.

mod accounts;
mod error;
mod routes;
mod tables;

pub use error::{ApiError, ErrorBody};
pub use routes::{OPENAPI, PLAY_PATH, Rest, Site, routes};
