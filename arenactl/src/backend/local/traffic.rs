//! Which release takes how much new work: a file remembers it for the next plan.

use std::collections::BTreeMap;
use std::path::PathBuf;

use arena_types::ServiceName;
use arenactl_planning::observed::Weights;

use crate::backend::BackendError;
use crate::durable::{self, Access};
use crate::state_folder::StateFolder;

fn file(folder: &StateFolder) -> PathBuf {
    folder.region().join("traffic.json")
}

/// Returns the weights written last.
pub(super) fn in_force(
    folder: &StateFolder,
) -> Result<BTreeMap<ServiceName, Weights>, BackendError> {
    Ok(durable::read_json(&file(folder))?.unwrap_or_default())
}

/// Writes the weights of a service; an empty map removes them.
pub(super) fn set(
    folder: &StateFolder,
    service: &ServiceName,
    weights: &Weights,
) -> Result<(), BackendError> {
    let mut all: BTreeMap<ServiceName, Weights> =
        durable::read_json(&file(folder))?.unwrap_or_default();
    if weights.is_empty() {
        all.remove(service);
    } else {
        all.insert(service.clone(), weights.clone());
    }
    Ok(durable::write_json(&file(folder), &all, Access::Owner)?)
}
