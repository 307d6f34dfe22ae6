//! What every service's `main` does, once: settings, sockets, identity, side port, lifecycle,
//! registration, discovery, the cluster's policy.
//!
//! ```no_run
//! use arena_instance::{Boot, Need, Program, Threads};
//!
//! const PROGRAM: Program = Program {
//!     name: "arena-example",
//!     needs: &[Need::Store],
//!     schema: &[],
//!     threads: Threads::One,
//! };
//!
//! async fn serve(boot: Boot, (): ()) -> Result<(), arena_instance::StartError> {
//!     let instance = boot.connect()?;
//!     let serving = instance.serve(|server| server /* .add_service(…) */).expect("socket");
//!     instance.ready().await;
//!     instance.run(serving).await; // until it was drained and told to exit
//!     Ok(())
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     arena_instance::main(PROGRAM, |_| Some(()), serve)
//! }
//! ```
//!
//! A service reports what it holds with [`Instance::report`]; it is never stopped in order before
//! that [is none](Load::is_none). What it shall do comes from [`Instance::orders`].

mod boot;
mod control;
mod drain;
mod early;
mod endpoints;
mod fence;
mod health;
mod instance;
mod lifecycle;
mod live;
mod mirror;
mod own_ip;
pub mod placement;
pub mod policy;
mod port_holder;
mod register;
mod settings;
mod shared_port;
mod side;
mod sockets;

pub use boot::{Boot, StartError, main};
pub use control::Order;
pub use endpoints::endpoints;
pub use fence::{FENCE_MARGIN, Fence};
pub use health::{Unhealthy, check_health};
pub use instance::Instance;
pub use lifecycle::{Effect, Event, Lifecycle, Load, Then};
pub use live::LiveConfig;
pub use mirror::{Entries, Mirror};
pub use register::LEASE_TTL;
pub use settings::{Need, Program, Settings, Threads};
pub use shared_port::SharedPort;
pub use sockets::{PublicPort, SocketError, Sockets};
