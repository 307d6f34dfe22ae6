//! arenactl in a swarm keeps the promises that it keeps on this machine.

use super::stub::Stubs;

crate::conformance::backend_conformance! { Stubs }
