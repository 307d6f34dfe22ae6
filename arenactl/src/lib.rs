//! Deploys arenas and takes them back.
//!
//! `arenactl-planning` decides, this crate acts: `cli` reads a command, `operation` runs its rollout through
//! `drive`, `backend` starts and stops instances, `ledger` remembers. `print` alone writes to the terminal.

pub mod artifacts;
pub mod backend;
pub mod cli;
pub mod clock;
pub mod config_client;
pub mod configs;
pub mod docker;
pub mod drive;
pub mod durable;
pub mod error;
pub(crate) mod facts;
pub mod history;
pub mod images;
pub mod interrupt;
pub mod journal;
pub mod ledger;
pub mod lock;
pub mod operation;
pub mod print;
pub mod process;
pub mod progress;
pub(crate) mod registry_client;
pub mod relay;
pub mod rules;
pub mod sample;
pub mod secrets;
pub mod side_port;
pub mod state_folder;
pub mod supervisor;
pub mod swarm;
pub(crate) mod top;
