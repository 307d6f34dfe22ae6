//! Images: which ones a spec needs, how an engine builds them, and how they reach a registry.

mod build;
mod build_context;
mod error;
mod push;
mod recipe;
mod sbom;
mod view;

pub use build::{Built, Workshop};
pub use error::ImageError;
pub use push::{Pushed, Pusher};
pub use recipe::{OPERATOR, Recipe, Target, recipes};
pub use sbom::{Bom, Contents, CrateError, Installed, Workspace, installed};
pub use view::{Phase, Row, View};
