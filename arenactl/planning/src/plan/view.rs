//! One service as it is, held against one service as it shall be.

use std::collections::{BTreeMap, BTreeSet};

use arena_types::{InstanceId, ReleaseId, ServiceName};

use crate::observed::{Observed, ObservedInstance, ObservedService};
use crate::release::Release;
use crate::spec::{Kind, ServiceSpec};

/// One service, now and afterwards.
pub(super) struct View<'a> {
    pub(super) name: &'a ServiceName,
    /// As it shall be; `None` if it goes away.
    pub(super) wanted: Option<&'a ServiceSpec>,
    /// The release that takes new work now.
    pub(super) serving: Option<ReleaseId>,
    /// The release its instances shall carry: the serving one if only a restart-free field differs.
    pub(super) target: ReleaseId,
    /// Instances that stay.
    pub(super) keep: Vec<&'a ObservedInstance>,
    /// Names of new instances.
    pub(super) start: Vec<String>,
    /// Instances to stop, those that serve first, the emptiest of them first.
    pub(super) stop: Vec<&'a ObservedInstance>,
    /// What is observed of it.
    pub(super) observed: Option<&'a ObservedService>,
}

impl<'a> View<'a> {
    pub(super) fn new(name: &'a ServiceName, wanted: &'a Release, observed: &'a Observed) -> Self {
        let seen = observed.services.get(name);
        let serving = seen.and_then(serving);
        let spec = wanted.spec.services.get(name);
        let same = serving
            .and_then(|id| observed.releases.get(&id))
            .is_some_and(|running| same_content(name, running, wanted));
        let target = serving.filter(|_| same).unwrap_or(wanted.id);
        let count = spec.map_or(0, |it| it.instances) as usize;
        let per_node = spec.map_or(0, |it| it.placement.max_per_node);
        let (keep, stop) = split(seen, target, count, per_node);
        let missing = count - keep.len();
        let start = free_names(name, target, seen, missing);
        Self { name, wanted: spec, serving, target, keep, start, stop, observed: seen }
    }

    /// Returns whether no instance starts or stops.
    pub(super) fn is_still(&self) -> bool {
        self.start.is_empty() && self.stop.is_empty()
    }

    /// Returns whether new instances carry another release than those that serve now.
    pub(super) fn is_new_release(&self) -> bool {
        self.serving.is_some_and(|it| it != self.target)
    }

    /// Returns the number of instances that serve now.
    pub(super) fn instances_now(&self) -> u32 {
        let instances = self.observed.map_or(&[][..], |it| &it.instances);
        instances.iter().filter(|it| it.state.serves()).count() as u32
    }

    pub(super) fn hosts_matches(&self) -> bool {
        self.wanted.is_some_and(|it| it.kind == Kind::Matches)
    }
}

/// Returns the release that takes new work: the one with the largest share among those that run, or,
/// where no shares are written, the newest that serves.
fn serving(service: &ObservedService) -> Option<ReleaseId> {
    let live: BTreeSet<ReleaseId> =
        service.instances.iter().filter(|it| it.state.is_live()).map(|it| it.release).collect();
    let weighted =
        service.weights.iter().filter(|(release, share)| **share > 0 && live.contains(*release));
    let serves = service.instances.iter().filter(|it| it.state.serves()).map(|it| it.release);
    weighted
        .max_by_key(|(release, share)| (**share, **release))
        .map(|(release, _)| *release)
        .or_else(|| serves.max())
        .or_else(|| live.last().copied())
}

/// Returns whether a service's instances of `running` are what `wanted` would start.
fn same_content(name: &ServiceName, running: &Release, wanted: &Release) -> bool {
    let digest = |release: &Release| release.artifacts.get(name).map(|it| it.digest);
    let files = |release: &Release| {
        let launch = release.launch(name)?;
        let secrets: Vec<_> = launch.secrets.into_values().collect();
        Some((secrets, launch.configs.into_values().collect::<Vec<_>>()))
    };
    running.config_hashes.get(name) == wanted.config_hashes.get(name)
        && digest(running) == digest(wanted)
        && files(running) == files(wanted)
}

type Instances<'a> = Vec<&'a ObservedInstance>;

/// Splits what runs into instances that stay and instances that stop. `per_node` instances may share a node, any
/// number if it is 0: a cluster that drains a node may put more on another, and those are the first to go.
fn split(
    service: Option<&ObservedService>,
    target: ReleaseId,
    count: usize,
    per_node: u32,
) -> (Instances<'_>, Instances<'_>) {
    let live = service.into_iter().flat_map(|it| &it.instances).filter(|it| it.state.is_live());
    let (mut serving, mut stop): (Instances<'_>, Instances<'_>) =
        live.partition(|it| it.release == target && it.state.serves());
    serving.sort_by_key(|it| (it.matches + it.sessions == 0, natural(&it.instance)));
    let (mut keep, beyond) = within(serving, per_node);
    keep.extend(beyond);
    let surplus = keep.split_off(count.min(keep.len()));
    stop.extend(surplus);
    keep.sort_by_key(|it| natural(&it.instance));
    stop.sort_by_key(|it| (!it.state.serves(), natural(&it.instance)));
    (keep, stop)
}

/// Takes instances in their order as long as their node has fewer than `per_node` of them; returns those and the rest.
fn within(instances: Instances<'_>, per_node: u32) -> (Instances<'_>, Instances<'_>) {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    instances.into_iter().partition(|it| {
        let Some(node) = it.node.as_deref().filter(|_| per_node > 0) else { return true };
        let count = counts.entry(node).or_insert(0);
        *count += 1;
        *count <= per_node
    })
}

/// Sorts `game-r2-10` behind `game-r2-9`.
fn natural(instance: &InstanceId) -> (usize, &str) {
    (instance.as_str().len(), instance.as_str())
}

/// Returns `count` names of instances that no running one has. A stopped one may come back.
fn free_names(
    name: &ServiceName,
    release: ReleaseId,
    service: Option<&ObservedService>,
    count: usize,
) -> Vec<String> {
    let taken: BTreeSet<&str> = service
        .into_iter()
        .flat_map(|it| &it.instances)
        .filter(|it| it.state.is_live())
        .map(|it| it.instance.as_str())
        .collect();
    (0..)
        .map(|index: u32| format!("{name}-{release}-{index}"))
        .filter(|it| !taken.contains(it.as_str()))
        .take(count)
        .collect()
}
