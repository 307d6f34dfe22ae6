//! `services.<name>.placement`: which nodes may run a service.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::error::Problem;
use crate::spec::section::Section;
use crate::spec::{LabelName, LabelValue, schema};

/// Most instances of a service a node may hold; more is a slip of the hand.
const PER_NODE_MAX: u32 = 1_000;

/// Which nodes may run a service, and how its instances spread over them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Placement {
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::env")]
    pub labels: BTreeMap<LabelName, LabelValue>,
    /// Labels over whose values instances spread evenly, the most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub spread: Vec<LabelName>,
    /// Instances of one release that one node holds at most; 0 is no limit.
    #[serde(default, skip_serializing_if = "is_unlimited")]
    pub max_per_node: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde lends the field")]
const fn is_unlimited(count: &u32) -> bool {
    *count == 0
}

impl Placement {
    /// Returns whether any node will do.
    #[must_use]
    pub fn is_anywhere(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether a node with these labels may run the service. As Swarm compares: values without
    /// regard to case.
    #[must_use]
    pub fn allows(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(name, wanted)| {
            labels.get(name.as_str()).is_some_and(|it| it.eq_ignore_ascii_case(wanted.as_str()))
        })
    }

    /// Returns the constraints as Swarm writes them: `node.labels.gpu.model == L4`.
    #[must_use]
    pub fn constraints(&self) -> Vec<String> {
        let one =
            |(name, value): (&LabelName, &LabelValue)| format!("node.labels.{name} == {value}");
        self.labels.iter().map(one).collect()
    }

    /// Returns the labels to spread over as Swarm writes them: `node.labels.zone`.
    #[must_use]
    pub fn preferences(&self) -> Vec<String> {
        self.spread.iter().map(|name| format!("node.labels.{name}")).collect()
    }

    pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Self {
        let spread: Vec<LabelName> = section.list("spread").unwrap_or_default();
        let mut seen = BTreeSet::new();
        if let Some(twice) = spread.iter().find(|it| !seen.insert(*it)) {
            let what = format!("names `{twice}` twice");
            section.mistake("spread", Problem::Conflict { what, help: "keep one".to_owned() });
        }
        Self {
            labels: section.pairs("labels"),
            spread,
            max_per_node: section.number("max_per_node", 0..=PER_NODE_MAX, 0),
        }
    }
}
