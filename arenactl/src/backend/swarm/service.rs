//! The service of one instance, as the Docker API takes it. Always built whole: an update replaces all of it.

use std::collections::{BTreeMap, HashMap};

use arena_env::names;
use arena_types::{InstanceId, ServiceName};
use arenactl_planning::release::Release;
use arenactl_planning::render::image;
use arenactl_planning::spec::{Kind as ServiceKind, ServiceSpec as Wanted};
use bollard::models::{
    EndpointSpec, EndpointSpecModeEnum, GenericResourcesInner,
    GenericResourcesInnerDiscreteResourceSpec, Limit, Mount, MountTmpfsOptions, MountType,
    NetworkAttachmentConfig, ResourceObject, ServiceSpec, ServiceSpecMode,
    ServiceSpecModeReplicated, TaskSpec, TaskSpecContainerSpec, TaskSpecContainerSpecConfigs,
    TaskSpecContainerSpecFile, TaskSpecContainerSpecFile1, TaskSpecContainerSpecSecrets,
    TaskSpecPlacement, TaskSpecResources, TaskSpecRestartPolicy,
    TaskSpecRestartPolicyConditionEnum,
};

use super::seal;
use crate::swarm::label;

/// The user of our images; what is mounted for it belongs to it alone.
const USER: &str = "65532";
/// Bytes of the only folder that an instance may write to beside its data.
const TMP_BYTES: i64 = 64 << 20;
/// Mode of that folder: anybody's, as usual for it.
const TMP_MODE: i64 = 0o1777;
/// Pause before an instance that ended by itself is started again.
const RESTART_DELAY_NS: i64 = 1_000_000_000;
/// Folder of an instance's certificate, key and roots.
const IDENTITY: &str = "/run/identity";
/// Folder of its secrets.
const SECRETS: &str = "/run/secrets";
/// Folder of its configs.
const CONFIGS: &str = "/run/configs";
/// Folder of its volume.
pub(super) const DATA: &str = "/data";

/// A file from a secret or a config of the swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// The id and the name of the secret or config.
    pub(super) id: String,
    pub(super) name: String,
    /// Where the instance finds it.
    pub(super) path: String,
}

/// Ports of an instance on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortsTaken {
    pub(super) side: u16,
    pub(super) mesh: u16,
    pub(super) public: Option<u16>,
}

/// All that is decided about an instance before its service is written.
#[derive(Clone, Debug)]
pub(super) struct Blueprint<'a> {
    /// The service's name.
    pub(super) name: String,
    /// Labels of the region.
    pub(super) labels: HashMap<String, String>,
    pub(super) release: &'a Release,
    pub(super) service: &'a ServiceName,
    pub(super) instance: &'a InstanceId,
    pub(super) wanted: &'a Wanted,
    pub(super) region: String,
    pub(super) rollout: &'a str,
    pub(super) gpu_kind: &'a str,
    pub(super) ports: PortsTaken,
    /// Where it may run.
    pub(super) constraints: Vec<String>,
    /// What it tells others as its own address; it finds out by itself if nothing is said.
    pub(super) advertise_ip: Option<String>,
    /// Where the store is.
    pub(super) store: Option<String>,
    pub(super) volume: String,
    pub(super) drain_token: Option<String>,
    pub(super) secrets: Vec<File>,
    pub(super) configs: Vec<File>,
}

impl Blueprint<'_> {
    /// Returns the service with one replica.
    pub(super) fn spec(&self) -> ServiceSpec {
        let mut spec = ServiceSpec {
            name: Some(self.name.clone()),
            labels: None,
            task_template: Some(self.task()),
            mode: Some(replicas(1)),
            update_config: None,
            rollback_config: None,
            networks: None,
            endpoint_spec: Some(EndpointSpec {
                mode: Some(EndpointSpecModeEnum::DNSRR),
                ports: None,
            }),
        };
        let mut labels = self.service_labels();
        labels.insert(label::SEAL.to_owned(), seal::of(&spec));
        spec.labels = Some(labels);
        spec
    }

    fn service_labels(&self) -> HashMap<String, String> {
        let mut labels = self.labels.clone();
        let PortsTaken { side, mesh, public } = self.ports;
        let pairs = [
            (label::SERVICE, Some(self.service.to_string())),
            (label::INSTANCE, Some(self.instance.to_string())),
            (label::RELEASE, Some(self.release.id.to_string())),
            (label::ROLLOUT, Some(self.rollout.to_owned())),
            (label::SIDE_PORT, Some(side.to_string())),
            (label::MESH_PORT, Some(mesh.to_string())),
            (label::PUBLIC_PORT, public.map(|port| port.to_string())),
            (label::DRAIN_TOKEN, self.drain_token.clone()),
        ];
        labels.extend(pairs.into_iter().filter_map(|(key, it)| Some((key.to_owned(), it?))));
        labels
    }

    fn task(&self) -> TaskSpec {
        TaskSpec {
            container_spec: Some(self.container()),
            resources: Some(self.resources()),
            restart_policy: Some(TaskSpecRestartPolicy {
                condition: Some(TaskSpecRestartPolicyConditionEnum::ANY),
                delay: Some(RESTART_DELAY_NS),
                // Swarm counts a node that was not free yet as an attempt; who gives up is decided by arenactl.
                max_attempts: None,
                window: None,
            }),
            placement: Some(TaskSpecPlacement {
                constraints: Some(self.constraints.clone()),
                ..TaskSpecPlacement::default()
            }),
            networks: Some(vec![host_network()]),
            ..TaskSpec::default()
        }
    }

    fn container(&self) -> TaskSpecContainerSpec {
        let grace = i64::try_from(self.wanted.drain.deadline.as_duration().as_nanos());
        TaskSpecContainerSpec {
            image: Some(image(self.release, self.service)),
            args: (!self.wanted.args.is_empty()).then(|| self.wanted.args.clone()),
            env: Some(self.environment()),
            read_only: Some(true),
            capability_drop: Some(vec!["ALL".to_owned()]),
            mounts: Some(vec![tmpfs(), self.data()]),
            stop_grace_period: Some(grace.unwrap_or(i64::MAX)),
            secrets: Some(self.secrets.iter().map(secret).collect()),
            configs: Some(self.configs.iter().map(config).collect()),
            ..TaskSpecContainerSpec::default()
        }
    }

    /// What the spec sets comes last, so that an operator can override a default of ours. Sorted, so that the
    /// same instance is the same service.
    fn environment(&self) -> Vec<String> {
        let PortsTaken { side, mesh, public } = self.ports;
        let all = |port: u16| format!("0.0.0.0:{port}");
        let is_data = self.wanted.kind == ServiceKind::Data;
        let data = if is_data { DATA.to_owned() } else { format!("{DATA}/{}", self.instance) };
        let spec = &self.release.spec;
        let texts = [
            (names::CLUSTER, Some(spec.cluster.to_string())),
            (names::REGION, Some(self.region.clone())),
            (names::SERVICE, Some(self.service.to_string())),
            (names::INSTANCE, Some(self.instance.to_string())),
            (names::RELEASE, Some(self.release.id.to_string())),
            (names::LOG_FORMAT, Some("json".to_owned())),
            (names::DRAIN_DEADLINE_S, Some(self.wanted.drain.deadline.as_s().to_string())),
            (names::IDENTITY_DIR, Some(IDENTITY.to_owned())),
            (names::SECRETS_DIR, Some(SECRETS.to_owned())),
            (names::CONFIGS_DIR, (!self.wanted.configs.is_empty()).then(|| CONFIGS.to_owned())),
            (names::DATA_DIR, Some(data)),
            (names::SIDE_ADDR, Some(all(side))),
            (names::MESH_ADDR, Some(all(mesh))),
            (names::PUBLIC_ADDR, public.map(all)),
            // The gateway of another release may listen on the same node.
            (names::PUBLIC_SHARED, public.map(|_| "1".to_owned())),
            (names::ADVERTISE_IP, self.advertise_ip.clone()),
            (names::STORE_ADDR, self.store.clone()),
        ];
        let mut env: BTreeMap<String, String> =
            texts.into_iter().filter_map(|(name, it)| Some((name.name.to_owned(), it?))).collect();
        env.extend(self.wanted.variables(self.service));
        env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    fn resources(&self) -> TaskSpecResources {
        let wanted = self.wanted.resources;
        let nano_cpus = Some(i64::from(wanted.cpu.as_milli()) * 1_000_000);
        let memory_bytes = i64::try_from(wanted.memory.as_u64()).ok();
        let gpus = GenericResourcesInner {
            named_resource_spec: None,
            discrete_resource_spec: Some(GenericResourcesInnerDiscreteResourceSpec {
                kind: Some(self.gpu_kind.to_owned()),
                value: Some(i64::from(wanted.gpus)),
            }),
        };
        TaskSpecResources {
            limits: Some(Limit { nano_cpus, memory_bytes, pids: None }),
            reservations: Some(ResourceObject {
                nano_cpus,
                memory_bytes,
                generic_resources: (wanted.gpus > 0).then(|| vec![gpus]),
            }),
            ..TaskSpecResources::default()
        }
    }

    fn data(&self) -> Mount {
        Mount {
            target: Some(DATA.to_owned()),
            source: Some(self.volume.clone()),
            typ: Some(MountType::VOLUME),
            ..Mount::default()
        }
    }
}

/// Returns a mode of so many replicas.
pub(super) fn replicas(count: i64) -> ServiceSpecMode {
    ServiceSpecMode {
        replicated: Some(ServiceSpecModeReplicated { replicas: Some(count) }),
        ..ServiceSpecMode::default()
    }
}

/// Returns the path of an instance's secret.
pub(super) fn secret_path(name: &str) -> String {
    format!("{SECRETS}/{name}")
}

/// Returns the path of an instance's config.
pub(super) fn config_path(name: &str) -> String {
    format!("{CONFIGS}/{name}")
}

/// Returns the path of a file of an instance's identity.
pub(super) fn identity_path(name: &str) -> String {
    format!("{IDENTITY}/{name}")
}

/// The network of the node itself.
pub(super) fn host_network() -> NetworkAttachmentConfig {
    NetworkAttachmentConfig {
        target: Some("host".to_owned()),
        ..NetworkAttachmentConfig::default()
    }
}

/// A folder in memory to write to.
pub(super) fn tmpfs() -> Mount {
    Mount {
        target: Some("/tmp".to_owned()),
        typ: Some(MountType::TMPFS),
        tmpfs_options: Some(MountTmpfsOptions {
            size_bytes: Some(TMP_BYTES),
            mode: Some(TMP_MODE),
            options: None,
        }),
        ..Mount::default()
    }
}

/// Mounts a secret for the images' user alone.
pub(super) fn secret(file: &File) -> TaskSpecContainerSpecSecrets {
    TaskSpecContainerSpecSecrets {
        file: Some(TaskSpecContainerSpecFile {
            name: Some(file.path.clone()),
            uid: Some(USER.to_owned()),
            gid: Some(USER.to_owned()),
            mode: Some(0o400),
        }),
        secret_id: Some(file.id.clone()),
        secret_name: Some(file.name.clone()),
    }
}

fn config(file: &File) -> TaskSpecContainerSpecConfigs {
    TaskSpecContainerSpecConfigs {
        file: Some(TaskSpecContainerSpecFile1 {
            name: Some(file.path.clone()),
            uid: Some(USER.to_owned()),
            gid: Some(USER.to_owned()),
            mode: Some(0o444),
        }),
        runtime: None,
        config_id: Some(file.id.clone()),
        config_name: Some(file.name.clone()),
    }
}
