//! What is right and what is not: no socket, no clock, no entropy.

mod access;
mod email;
mod gcra;
mod hex;
mod limits;
mod name;
mod password;
mod refresh;

pub use access::{ACCESS_TTL, Claims, KeyError, SigningKeys};
pub use email::EmailAddress;
pub use gcra::LocalLimits;
pub use hex::hex;
pub use limits::{ACCOUNT_LIMIT, DEVICE_LIMIT, Scope, ip_limit};
pub use name::DisplayName;
pub use password::{Password, PasswordHash, hash, verify};
pub use refresh::{REFRESH_TTL, REUSE_GRACE, RefreshToken};
