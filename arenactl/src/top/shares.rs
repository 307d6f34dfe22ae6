//! The releases of a region: who runs them, what share of new work they take, where a rollout stands.

use std::collections::{BTreeMap, BTreeSet};

use arena_types::{Region, ReleaseId};
use arenactl_planning::observed::UnitState;
use serde::Serialize;

use super::board::Known;

/// A release that runs, takes new work or is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ReleaseRow {
    pub(super) region: Region,
    pub(super) release: String,
    /// Whether it is the one that the region is meant to run.
    pub(super) is_current: bool,
    /// Instances of it that exist.
    pub(super) instances: u32,
    /// Percent of new work, by service; a service without weights treats all releases alike.
    pub(super) weights: BTreeMap<String, u32>,
    /// Where the rollout to it stands.
    pub(super) rollout: Option<String>,
}

pub(super) fn releases(region: &Region, known: &Known) -> Vec<ReleaseRow> {
    let Some(seen) = &known.seen else { return Vec::new() };
    let live = || known.instances.values().filter(|it| it.unit.state != UnitState::Stopped);
    let mut ids: BTreeSet<ReleaseId> = live().map(|it| it.unit.release).collect();
    ids.extend(seen.weights.values().flat_map(BTreeMap::keys));
    ids.extend(seen.release);
    ids.extend(seen.rollout.as_ref().map(|it| it.release));
    let row = |id: ReleaseId| ReleaseRow {
        region: region.clone(),
        release: id.to_string(),
        is_current: seen.release == Some(id),
        instances: live().filter(|it| it.unit.release == id).count() as u32,
        weights: seen
            .weights
            .iter()
            .filter_map(|(service, weights)| Some((service.to_string(), *weights.get(&id)?)))
            .collect(),
        rollout: seen.rollout.as_ref().filter(|it| it.release == id).map(|it| it.step.clone()),
    };
    ids.into_iter().rev().map(row).collect()
}
