//! Environment variables → typed settings, all mistakes at once; secret files → [`Secret`].
//!
//! The environment is read in `main` only, through a [`Source`]; everything below gets typed
//! values. [`names`] declares and documents every variable, `docs/settings.md` is printed from it.
//!
//! ```
//! use arena_env::{Reader, names};
//!
//! let source = [("ARENA_CLUSTER", "demo"), ("ARENA_REGION", "eu_fra")];
//! let mut reader = Reader::new(&source);
//! let cluster = reader.read::<arena_types::ClusterName>(&names::CLUSTER);
//! let region = reader.read::<arena_types::Region>(&names::REGION);
//! let settings = reader.finish(|| Some((cluster?, region?)));
//! assert!(settings.unwrap_err().to_string().contains("ARENA_REGION"));
//! ```

mod host_port;
pub mod names;
mod reader;
mod secret;
mod source;
mod value;

pub use host_port::HostPort;
pub use names::Variable;
pub use reader::{EnvError, Mistake, Reader};
pub use secret::{Secret, SecretError, SecretsDir};
pub use source::{Process, Source};
pub use value::{FromVariable, Seconds};
