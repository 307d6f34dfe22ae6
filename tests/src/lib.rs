//! Harness of the integration tests: a region or a lab of its own per test, a real browser, bot players.

mod binary;
mod bots;
mod browser;
pub mod chaos;
mod files;
mod http;
mod lab;
pub mod long;
mod player;
mod region;
mod screen;
mod swarm_region;
mod terminal;

pub use binary::binary;
pub use bots::{Bots, BotsReport};
pub use browser::{Browser, KeyDirection, Page};
pub use files::Files;
pub use http::get;
pub use lab::{Image, Lab, LabSpec, SERVICES};
pub use player::{Player, login};
pub use region::{Ran, TestRegion, wait_for};
pub use screen::page;
pub use swarm_region::{PUBLIC_PORT, SwarmRegion};
pub use terminal::Terminal;
