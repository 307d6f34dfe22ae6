//! A way into a cluster's network through the Docker API alone: a process inside it that calls instances.
//!
//! Instances answer on their nodes' own network, which an operator or a pipeline elsewhere does not reach. The
//! operator's service runs arenactl's image on the manager that is talked to, with the authority's key and the
//! drain tokens as Docker secrets; `arenactl relay` is started in it with `exec` and asked over its standard
//! input, one line of JSON a call. Keys never leave the cluster.

mod channel;
mod client;
mod protocol;
mod serve;

pub(crate) use channel::{Answers, RelayChannel};
pub(crate) use client::Relay;
pub use client::RelayError;
pub(crate) use protocol::{Call, Method, Reply, Target};
pub(crate) use serve::serve;

/// Folder in which the operator finds its secrets.
pub(crate) const SECRETS: &str = "/run/secrets";
/// File with the authority's key in [`SECRETS`].
pub(crate) const AUTHORITY_KEY: &str = "authority_key";
/// File with the authority's certificate in [`SECRETS`].
pub(crate) const AUTHORITY_CERT: &str = "authority_cert";
