//! The plan itself.

use std::collections::BTreeSet;

use arena_types::{Region, ReleaseId, ServiceName};
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::rollout::RolloutId;
use crate::spec::OnFailure;
use crate::stage::{Order, Stage};
use crate::units::Span;

/// What a change costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impact {
    /// Instances are replaced.
    Restart,
    /// It takes effect without replacing an instance.
    InPlace,
    /// Nothing that runs notices.
    None,
}

/// One field of a service that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its path below the service: `env.ARENA_GAME_BOTS`.
    pub field: String,
    /// Its value before, if it had one. A secret shows its hash.
    pub from: Option<String>,
    /// Its value after, if it has one.
    pub to: Option<String>,
    /// What the change costs.
    pub impact: Impact,
}

/// What happens to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is new here.
    Create,
    /// Its instances are replaced.
    Replace,
    /// Instances are added or removed.
    Scale,
    /// Missing instances are started, stray ones stopped.
    Repair,
    /// Settings change that restart nothing.
    Update,
    /// It goes away.
    Remove,
    /// Nothing.
    Keep,
}

/// What happens to a service and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePlan {
    /// The service.
    pub service: ServiceName,
    /// What happens to it.
    pub action: Action,
    /// Instances that serve now.
    pub instances_from: u32,
    /// Instances that serve afterwards.
    pub instances_to: u32,
    /// What differs.
    pub changes: Vec<FieldChange>,
}

/// GPUs of the region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpus {
    /// All of them.
    pub total: u32,
    /// Those no instance holds now.
    pub free: u32,
    /// Those the rollout needs beyond what is held now, at its peak.
    pub needed: u32,
}

/// Free match slots of the region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joinable {
    /// The least the operator accepts.
    pub floor: u32,
    /// Free now.
    pub now: u32,
    /// The least expected during the rollout, with the matches of now.
    pub lowest: u32,
}

/// What a stage will wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The service.
    pub service: ServiceName,
    /// Matches that run on instances to be stopped.
    pub matches: u32,
    /// Sessions held by instances to be stopped.
    pub sessions: u32,
    /// How long they are waited for.
    pub deadline: Span,
    /// Whether the matches move to other instances while they are played, and their sessions with them.
    #[serde(default)]
    pub moves: bool,
    /// Why they are waited for and not moved, if somebody might expect that.
    pub why: Option<String>,
}

/// What a deploy would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Where.
    pub region: Region,
    /// With which overlay.
    pub environment: String,
    /// The name its rollout will have.
    pub rollout: RolloutId,
    /// What runs now.
    pub from: Option<ReleaseId>,
    /// What shall run.
    pub to: ReleaseId,
    /// Hash of everything decided here; figures that change by the second are left out of it.
    pub digest: Digest,
    /// What happens when a stage fails.
    pub on_failure: OnFailure,
    /// Every service, by name.
    pub services: Vec<ServicePlan>,
    /// What differs beside the services: deploy settings, secrets' sources, rules.
    pub settings: Vec<FieldChange>,
    /// Changed services, in the order they are touched.
    pub stages: Vec<Stage>,
    /// GPUs of the region.
    pub gpus: Gpus,
    /// Free match slots of the region.
    pub joinable: Joinable,
    /// What will be waited for.
    pub waiting: Vec<Waiting>,
}

/// The footer of a plan: how much of each kind of risk it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Services whose instances are replaced, the new ones first.
    pub replace_start_first: u32,
    /// Services whose instances are replaced, the old ones stopping first.
    pub replace_stop_first: u32,
    /// Services that are new.
    pub create: u32,
    /// Services that gain, lose or regain instances.
    pub scale: u32,
    /// Services whose settings change without a restart.
    pub update: u32,
    /// Services that go away.
    pub remove: u32,
    /// Services that stay as they are.
    pub keep: u32,
    /// Instances that start.
    pub starts: u32,
    /// Instances that stop.
    pub stops: u32,
}

impl Plan {
    /// Returns whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
            && self.settings.is_empty()
            && self.services.iter().all(|it| it.action == Action::Keep)
    }

    /// Returns the footer.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let stop_first: BTreeSet<_> = self
            .stages
            .iter()
            .filter(|it| it.order == Order::StopFirst)
            .map(|it| &it.service)
            .collect();
        for service in &self.services {
            let count = match service.action {
                Action::Replace if stop_first.contains(&service.service) => {
                    &mut counts.replace_stop_first
                }
                Action::Replace => &mut counts.replace_start_first,
                Action::Create => &mut counts.create,
                Action::Scale | Action::Repair => &mut counts.scale,
                Action::Update => &mut counts.update,
                Action::Remove => &mut counts.remove,
                Action::Keep => &mut counts.keep,
            };
            *count += 1;
        }
        for batch in self.stages.iter().flat_map(|it| &it.batches) {
            counts.starts += batch.start.len() as u32;
            counts.stops += batch.stop.len() as u32;
        }
        counts
    }
}
