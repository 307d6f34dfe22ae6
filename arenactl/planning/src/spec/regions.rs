//! `regions`: where Arena runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::error::Problem;
use crate::spec::section::Section;

/// What starts and stops instances in a region.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Supervised processes on this machine.
    Local,
    /// Docker Swarm.
    Swarm,
    /// Nomad.
    Nomad,
}

/// One cluster behind one orchestrator endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RegionSpec {
    /// What starts and stops instances there.
    pub backend: Backend,
    /// Where the orchestrator answers; `local` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// GPUs of the whole region, where they are known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// GPUs of its largest node, where they are known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus_per_node: Option<u32>,
}

/// Most GPUs anyone has in a region; more is a slip of the hand.
const GPUS_MAX: u32 = 100_000;

impl RegionSpec {
    pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Self {
        let backend = section.choice("backend", &BACKENDS);
        if backend.is_none() && !section.has("backend") {
            let help = "write `backend: local`, `swarm` or `nomad`".to_owned();
            section.mistake("backend", Problem::Missing { help });
        }
        let backend = backend.unwrap_or(Backend::Local);
        let endpoint = section.value("endpoint");
        match (backend, &endpoint) {
            (Backend::Local, Some(_)) => section.conflict(
                "endpoint",
                "does not fit `backend: local`, which runs on this machine",
                "remove it, or choose `swarm` or `nomad`",
            ),
            (Backend::Swarm | Backend::Nomad, None) if !section.has("endpoint") => {
                let help = "write where the orchestrator answers: `https://nomad.eu-fra:4646`";
                section.mistake("endpoint", Problem::Missing { help: help.to_owned() });
            }
            _ => {}
        }
        let gpu_count = |section: &mut Section<'_, '_, '_>, key| {
            let count = section.number(key, 0..=GPUS_MAX, 0);
            section.has(key).then_some(count)
        };
        let gpus = gpu_count(section, "gpus");
        let gpus_per_node = gpu_count(section, "gpus_per_node");
        if let (Some(all), Some(node)) = (gpus, gpus_per_node)
            && node > all
        {
            let what = format!("is {node}, but the whole region has {all}");
            section.conflict("gpus_per_node", what, "correct one of the two");
        }
        Self { backend, endpoint, gpus, gpus_per_node }
    }
}

const BACKENDS: [(&str, Backend); 3] =
    [("local", Backend::Local), ("swarm", Backend::Swarm), ("nomad", Backend::Nomad)];
