//! Who a player is: logins, access tokens, refresh tokens, bans.
//!
//! [`logic`] decides without waiting: what a name, an address, a password, a token may look like,
//! and what a rate allows. [`accounts`](Accounts) does one operation after the other against the
//! stores; `server` turns calls into operations. A login by an outside issuer (OIDC)
//! is one more way to find a `CredentialKey::External` and then goes on as the others do.

mod accounts;
mod audit;
mod config;
mod epochs;
mod error;
mod hashing;
mod limiter;
pub mod logic;
mod server;

pub use accounts::{Accounts, Grant, Origin, SessionRequest};
pub use config::{AuthSettings, PROGRAM};
pub use error::AuthError;
pub use server::{ServiceError, run, serve};
