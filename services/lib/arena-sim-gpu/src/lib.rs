//! The simulation on a GPU: the states, outputs and hashes of `arena-sim`, bit by bit.
//!
//! [`GpuBackend`] is a [`Backend`](arena_sim::Backend): a workgroup steps one match. The rules are the files of
//! `arena-sim/src/rules`, read by the shader compiler; `systems/*.wgsl` are their drivers and have the
//! names of those of the CPU. Slabs stay in pages on the device; a tick sends inputs up and brings
//! outcomes and what changed down, which keeps a mirror of every slab that any thread may read.
//!
//! [`Guarded`] plays on by the CPU when the device fails. [`examine`] opens a device and looks at it
//! before it is trusted with matches ([`self_test`], [`calibrate`]); [`choose`] decides by what it found;
//! [`audition()`] is both, for a service.

mod adapter;
mod audition;
mod backend;
mod batch;
mod choice;
mod device;
mod examination;
mod guarded;
mod kernel;
mod mirror;
mod page;
mod pool;
mod proof;
mod rule_table;
mod shape;
mod slots;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use adapter::{Accept, AdapterFacts, AdapterKind};
pub use audition::{Audition, Wanted, audition};
pub use backend::{GpuBackend, Traffic};
pub use choice::{Choice, Decision, Facts, GpuFacts, Policy, Reason, UnknownPolicy, choose};
pub use device::{Gpu, OpenError, Options};
pub use examination::{Examined, Unfit, examine};
pub use guarded::Guarded;
pub use kernel::Kernel;
pub use proof::{Calibration, Mismatch, Proof, calibrate, self_test};
