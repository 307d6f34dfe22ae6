//! `deploy`: what a rollout may do, and what it keeps for the way back.

use std::collections::BTreeSet;

use arena_types::Region;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::section::Section;
use crate::units::Span;

/// What happens when a stage fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Everything is taken back (exit 10).
    Rollback,
    /// Everything stays as it is, for a person to look at (exit 12).
    Leave,
}

/// Settings of every rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeploySpec {
    /// How long replaced instances stay stopped but startable.
    pub rollback_window: Span,
    /// How many releases keep their artifacts.
    pub keep_releases: u32,
    /// Free match slots below which a region never falls during a rollout.
    pub joinable_floor: u32,
    /// What happens when a stage fails.
    pub on_failure: OnFailure,
    /// Regions in the order they are deployed, those of one wave together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Vec<String>>")]
    pub waves: Vec<Vec<Region>>,
    /// How long a wave is watched before the next.
    pub bake: Span,
}

impl DeploySpec {
    pub(super) fn read(section: &mut Section<'_, '_, '_>, regions: &BTreeSet<String>) -> Self {
        Self {
            rollback_window: section.or("rollback_window", Span::from_s(24 * 3_600)),
            keep_releases: section.number("keep_releases", 2..=1_000, 10),
            joinable_floor: section.number("joinable_floor", 0..=1_000_000, 0),
            on_failure: section
                .choice(
                    "on_failure",
                    &[("rollback", OnFailure::Rollback), ("leave", OnFailure::Leave)],
                )
                .unwrap_or(OnFailure::Rollback),
            waves: section.groups("waves", "region", regions),
            bake: section.or("bake", Span::from_s(600)),
        }
    }
}
