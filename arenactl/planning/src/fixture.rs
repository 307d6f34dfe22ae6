//! Releases and regions for tests, from a few lines of `arena.yaml`.

use std::collections::BTreeMap;

use arena_types::ReleaseId;

use crate::Digest;
use crate::observed::{Node, Observed, ObservedInstance, ObservedService, UnitState, Weights};
use crate::release::{Artifact, Inputs, Origin, Release};
use crate::spec::{Ask, Kind, read, report};
use crate::units::{Bytes, Cpus, Timestamp};

/// Makes release `id` of `yaml`. Artifacts are the same in all releases unless `built` says otherwise;
/// so are configs unless it begins with `motd=`, which then is their content and changes no artifact.
pub(crate) fn release(id: u32, yaml: &str, built: &str) -> Release {
    let (built, motd) = built.split_once("motd=").unwrap_or((built, ""));
    let read = read(yaml, &Ask::default());
    assert_eq!(report("test.yaml", &read.errors), "");
    let artifact = |name: &str| Artifact {
        name: format!("arena-{name}"),
        digest: Digest::of(format!("{name} {built}").as_bytes()),
    };
    let inputs = Inputs {
        artifacts: read
            .spec
            .services
            .keys()
            .map(|name| (name.clone(), artifact(name.as_str())))
            .collect(),
        secret_hashes: read
            .spec
            .secrets
            .keys()
            .map(|name| (name.clone(), Digest::of(name.as_str().as_bytes())))
            .collect(),
        config_files: read
            .spec
            .configs
            .keys()
            .map(|name| (name.clone(), Digest::of(format!("{name} {motd}").as_bytes())))
            .collect(),
        schema: [("rules".to_owned(), 1)].into(),
        git: None,
    };
    let origin = Origin { created: Timestamp(0), by: "tester".to_owned(), why: String::new() };
    Release::draft(ReleaseId(id), read.spec, inputs, origin)
}

/// Returns a region in which all of `release` is ready and nobody plays.
pub(crate) fn running(release: &Release) -> Observed {
    let mut observed = Observed::empty("local".parse().unwrap());
    observed.current = Some(release.id);
    observed.releases.insert(release.id, release.clone());
    for (name, spec) in &release.spec.services {
        let instance = |index: u32| ObservedInstance {
            instance: format!("{name}-{}-{index}", release.id).parse().unwrap(),
            release: release.id,
            state: UnitState::Ready,
            sessions: 0,
            matches: 0,
            capacity: spec.capacity,
            node: None,
        };
        let weights = match spec.kind {
            Kind::Data => Weights::new(),
            _ => Weights::from([(release.id, 100)]),
        };
        let instances = (0..spec.instances).map(instance).collect();
        observed.services.insert(name.clone(), ObservedService { weights, instances });
    }
    observed
}

/// Returns the instances of `service`, for a test to change.
pub(crate) fn instances<'a>(
    observed: &'a mut Observed,
    service: &str,
) -> &'a mut Vec<ObservedInstance> {
    &mut observed.services.get_mut(&service.parse().unwrap()).unwrap().instances
}

/// Returns a machine of 16 cores and 64 GiB that reserves neither.
pub(crate) fn node(gpus: u32, gpus_free: u32) -> Node {
    Node {
        name: "node-1".to_owned(),
        cpus: Cpus::from_milli(16_000),
        memory: Bytes::new(64 << 30),
        gpus,
        gpus_free,
        gpu_kind: "NVIDIA-GPU".to_owned(),
        gpu_holders: BTreeMap::new(),
        cpus_free: None,
        memory_free: None,
        labels: BTreeMap::new(),
    }
}

/// Returns a swarm of machines, each with two cores and 4 GiB, all free, and one GPU, which is free
/// unless one of these releases holds it.
pub(crate) fn swarm(holders: &[Option<u32>]) -> Vec<Node> {
    let machine = |(index, holder): (usize, &Option<u32>)| Node {
        name: format!("lab-{}", index + 1),
        cpus: Cpus::from_milli(2_000),
        memory: Bytes::new(4 << 30),
        cpus_free: Some(Cpus::from_milli(2_000)),
        memory_free: Some(Bytes::new(4 << 30)),
        gpu_holders: holder.iter().map(|id| (ReleaseId(*id), 1)).collect(),
        ..node(1, u32::from(holder.is_none()))
    };
    holders.iter().enumerate().map(machine).collect()
}
