//! All ports of one deployment.

use std::sync::Arc;

use crate::{Analytics, HotState, Objects, PlayerStore, Registry};

/// The five ports; cheap to clone.
#[derive(Clone)]
pub struct Stores {
    /// Leases, ownership, discovery, rules.
    pub registry: Arc<dyn Registry>,
    /// State that changes many times a second.
    pub hot: Arc<dyn HotState>,
    /// What a player would miss.
    pub players: Arc<dyn PlayerStore>,
    /// What happened, for later questions.
    pub analytics: Arc<dyn Analytics>,
    /// Files.
    pub objects: Arc<dyn Objects>,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}
