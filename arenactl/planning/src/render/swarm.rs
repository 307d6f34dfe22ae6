//! A Docker stack (`docker stack deploy`; Compose file format 3.8).
//!
//! Service names carry the release (`game-r42`), so that two releases run side by side. Each task has a
//! network of its own, the overlay network `mesh`, and fixed ports on it; names resolve to tasks, not to a
//! virtual address (`dnsrr`), since QUIC wants to know whom it talks to. QUIC ports are never published
//! through the ingress mesh, which loses UDP after an update (moby/moby#36878); the public port is
//! published in host mode.
//!
//! A task is named by its slot, and so is its certificate. An update therefore stops a task before its
//! successor starts: two processes of one name would hold one lease. Secrets cannot be chosen by slot, so
//! all tasks of a service see the certificates of all its slots.

use std::collections::BTreeMap;

use arena_types::{InstanceId, ServiceName};
use serde_json::{Map, Value, json};

use crate::Digest;
use crate::release::Release;
use crate::render::names::{IdentityPart, identity_name, object_name, roots_name};
use crate::render::{Rendered, image, named, store};
use crate::spec::{
    Backend, ConfigName, GPU_KIND_DEFAULT, Kind, PROGRAM, Port, SecretName, ServiceSpec, Spec,
};
use crate::units::Span;

/// The side port inside a container.
const SIDE_PORT: u16 = 9100;
/// The mesh port inside a container.
const MESH_PORT: u16 = 7400;
/// The public port inside a container, where the spec leaves it open.
const PUBLIC_PORT: u16 = 8080;
/// The number of a task among those of its service, from 1. Swarm fills it in.
const SLOT: &str = "{{.Task.Slot}}";
/// Where an instance finds its certificate: a folder a slot.
const IDENTITY_DIR: &str = "/run/identity";
/// Where an instance finds its plain files.
const CONFIGS_DIR: &str = "/run/configs";
/// Bytes that an instance may leave in `/tmp`, which counts as its memory.
const TMP_BYTES: u64 = 64 << 20;

/// Renders `release` as one stack.
#[must_use]
pub fn swarm(release: &Release) -> Rendered {
    let services = &release.spec.services;
    let rendered: Map<String, Value> = services
        .iter()
        .map(|(name, it)| (task_name(release, name), service(release, name, it)))
        .collect();
    let mut stack = json!({
        "version": "3.8",
        "networks": { "mesh": { "driver": "overlay", "attachable": true } },
        "secrets": secrets(release),
        "configs": configs(release),
        "volumes": volumes(release),
        "services": rendered,
    });
    take_literally(&mut stack);
    for service in stack["services"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        service["environment"]["ARENA_REGION"] = json!(region(&release.spec));
    }
    let yaml = serde_yaml::to_string(&stack).expect("plain data with text keys is YAML");
    let environment = &release.spec.environment;
    let head =
        format!("# Written by `arenactl render` from arena.yaml ({environment}); not by hand.\n");
    Rendered { path: format!("stacks/{environment}.yml"), text: head + &yaml }
}

/// Compose would replace `$NAME` by a variable of whoever deploys.
fn take_literally(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::Array(values) => values.iter_mut().for_each(take_literally),
        Value::Object(map) => map.values_mut().for_each(take_literally),
        _ => {}
    }
}

/// Whoever deploys names the region, unless the spec has one for swarms.
fn region(spec: &Spec) -> String {
    let first = spec.regions.iter().find(|(_, it)| it.backend == Backend::Swarm);
    first.map_or("${ARENA_REGION:?name the region}".to_owned(), |(name, _)| {
        format!("${{ARENA_REGION:-{name}}}")
    })
}

/// Names a service of the stack, which is also the host name of its tasks.
fn task_name(release: &Release, service: &ServiceName) -> String {
    format!("{service}-{}", release.id)
}

fn instances<'a>(
    release: &'a Release,
    name: &'a ServiceName,
    spec: &ServiceSpec,
) -> impl Iterator<Item = (u32, InstanceId)> + 'a {
    (1..=spec.instances).map(move |slot| {
        let name = format!("{}-{slot}", task_name(release, name));
        (slot, name.parse().expect("names of services are short enough for a release and a number"))
    })
}

/// What a stack expects to find in the swarm, by the names that it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Externals {
    /// Secrets of the spec, with the name of each in the swarm.
    pub secrets: BTreeMap<SecretName, String>,
    /// Configs of the spec, with the name of each in the swarm.
    pub configs: BTreeMap<ConfigName, String>,
    /// Every instance, with its service.
    pub instances: BTreeMap<InstanceId, ServiceName>,
}

/// Returns what the stack of `release` expects; the names of identities are those of
/// [`identity_name`] and [`roots_name`].
#[must_use]
pub fn externals(release: &Release) -> Externals {
    let mut externals = Externals::default();
    for (name, spec) in &release.spec.services {
        for secret in &spec.secrets {
            let hash = release.secret_hashes.get(secret);
            let object = object(release, secret.as_str(), hash);
            externals.secrets.insert(secret.clone(), object);
        }
        for config in &spec.configs {
            let hash = release.config_files.get(config);
            let object = object(release, config.as_str(), hash);
            externals.configs.insert(config.clone(), object);
        }
        let instances = instances(release, name, spec);
        externals.instances.extend(instances.map(|(_, instance)| (instance, name.clone())));
    }
    externals
}

/// What arenactl or an operator has put into the swarm. It is immutable there: names carry the hash of
/// the content, so that a new value is a new name.
fn external(release: &Release, name: &str, hash: Option<&Digest>) -> Value {
    json!({ "external": true, "name": object(release, name, hash) })
}

fn object(release: &Release, name: &str, hash: Option<&Digest>) -> String {
    let cluster = &release.spec.cluster;
    hash.map_or_else(|| format!("{cluster}_{name}"), |it| object_name(cluster, name, *it))
}

fn secrets(release: &Release) -> BTreeMap<String, Value> {
    let cluster = &release.spec.cluster;
    let mut all = BTreeMap::from([(
        "roots".to_owned(),
        json!({ "external": true, "name": roots_name(cluster) }),
    )]);
    for (name, spec) in &release.spec.services {
        for secret in &spec.secrets {
            let hash = release.secret_hashes.get(secret);
            all.insert(format!("secret_{secret}"), external(release, secret.as_str(), hash));
        }
        for (_, instance) in instances(release, name, spec) {
            for part in [IdentityPart::Cert, IdentityPart::Key] {
                let name = identity_name(cluster, &instance, part);
                let key = format!("identity_{instance}_{part}");
                all.insert(key, json!({ "external": true, "name": name }));
            }
        }
    }
    all
}

fn configs(release: &Release) -> BTreeMap<String, Value> {
    let used = release.spec.services.values().flat_map(|it| &it.configs);
    used.map(|name| {
        (name.to_string(), external(release, name.as_str(), release.config_files.get(name)))
    })
    .collect()
}

/// Data stays with its service whatever release runs; what other instances keep is their own.
fn volumes(release: &Release) -> BTreeMap<String, Value> {
    let cluster = &release.spec.cluster;
    let volume = |(name, spec): (&ServiceName, &ServiceSpec)| {
        let volume = match spec.kind {
            Kind::Data => format!("{cluster}_{name}"),
            _ => format!("{cluster}_{}-{SLOT}", task_name(release, name)),
        };
        (name.to_string(), json!({ "name": volume }))
    };
    release.spec.services.iter().map(volume).collect()
}

fn service(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> Value {
    let mut service = json!({
        "image": image(release, name),
        "environment": environment(release, name, spec),
        "networks": ["mesh"],
        "secrets": mounted_secrets(release, name, spec),
        "volumes": [
            { "type": "volume", "source": name, "target": "/data" },
            { "type": "tmpfs", "target": "/tmp", "tmpfs": { "size": TMP_BYTES } },
        ],
        "read_only": true,
        "cap_drop": ["ALL"],
        "stop_grace_period": seconds(spec.drain.deadline),
        "deploy": deploy(release, name, spec),
    });
    if spec.image.is_none() {
        // An image of somebody else's has a check of its own, or none.
        service["healthcheck"] = healthcheck(spec);
    }
    if !spec.args.is_empty() {
        service["command"] = json!(spec.args);
    }
    if !spec.configs.is_empty() {
        let mount = |name| json!({ "source": name, "target": format!("{CONFIGS_DIR}/{name}") });
        service["configs"] = spec.configs.iter().map(mount).collect();
    }
    if let Some(port) = spec.ports.public {
        service["ports"] = json!([published(port)]);
    }
    service
}

/// The program itself asks its side port: images have neither a shell nor a client.
fn healthcheck(spec: &ServiceSpec) -> Value {
    json!({
        "test": ["CMD", PROGRAM, "healthcheck"],
        "interval": "2s",
        "timeout": "2s",
        "retries": 5,
        "start_period": seconds(spec.ready_timeout),
    })
}

fn mounted_secrets(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> Vec<Value> {
    let own = spec
        .secrets
        .iter()
        .map(|secret| json!({ "source": format!("secret_{secret}"), "target": secret }));
    let identities = instances(release, name, spec).flat_map(|(slot, instance)| {
        let mount = |source: String, file: &str| {
            json!({ "source": source, "target": format!("{IDENTITY_DIR}/{slot}/{file}.pem") })
        };
        [
            mount(format!("identity_{instance}_cert"), "cert"),
            mount(format!("identity_{instance}_key"), "key"),
            mount("roots".to_owned(), "roots"),
        ]
    });
    own.chain(identities).collect()
}

/// Any port of the node will do where the spec leaves it open.
fn published(port: Port) -> Value {
    match port.number() {
        0 => json!({ "target": PUBLIC_PORT, "protocol": "tcp", "mode": "host" }),
        number => {
            json!({ "target": number, "published": number, "protocol": "tcp", "mode": "host" })
        }
    }
}

fn seconds(span: Span) -> String {
    format!("{}s", span.as_s()) // Go knows no days.
}

fn deploy(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> Value {
    let mut deploy = json!({
        "replicas": spec.instances,
        "endpoint_mode": "dnsrr",
        "labels": {
            "arena.cluster": release.spec.cluster,
            "arena.release": release.id,
            "arena.service": name,
        },
        "update_config": {
            "parallelism": spec.batch,
            "order": "stop-first",
            "failure_action": "pause", // Whoever deploys decides what follows, not the engine.
        },
        "restart_policy": {
            "condition": "on-failure",
            "delay": "1s",
            "max_attempts": spec.restart.attempts,
            "window": seconds(spec.restart.within),
        },
        "resources": resources(release, spec),
    });
    if !spec.placement.is_anywhere() {
        deploy["placement"] = placement(spec);
    }
    deploy
}

fn placement(spec: &ServiceSpec) -> Value {
    let placement = &spec.placement;
    let mut rendered = json!({});
    if !placement.labels.is_empty() {
        rendered["constraints"] = json!(placement.constraints());
    }
    if !placement.spread.is_empty() {
        let spread = placement.preferences();
        rendered["preferences"] = spread.iter().map(|it| json!({ "spread": it })).collect();
    }
    if placement.max_per_node > 0 {
        rendered["max_replicas_per_node"] = json!(placement.max_per_node);
    }
    rendered
}

fn resources(release: &Release, spec: &ServiceSpec) -> Value {
    let limits = json!({
        "cpus": spec.resources.cpu,
        "memory": format!("{}b", spec.resources.memory.as_u64()),
    });
    let mut reservations = limits.clone();
    if spec.resources.gpus > 0 {
        let kind = gpu_kind(&release.spec);
        let gpus = json!({ "kind": kind, "value": spec.resources.gpus });
        reservations["generic_resources"] = json!([{ "discrete_resource_spec": gpus }]);
    }
    json!({ "limits": limits, "reservations": reservations })
}

/// The kind of the first swarm, which is most often the only one.
fn gpu_kind(spec: &Spec) -> &str {
    let first = spec.regions.values().find(|it| it.backend == Backend::Swarm);
    first.map_or(GPU_KIND_DEFAULT, |it| &it.gpu_kind)
}

fn environment(
    release: &Release,
    name: &ServiceName,
    spec: &ServiceSpec,
) -> BTreeMap<String, String> {
    let mut variables = named(release, name, spec);
    let mut set = |key: &str, value: String| variables.insert(key.to_owned(), value);
    set("ARENA_INSTANCE", format!("{}-{SLOT}", task_name(release, name)));
    set("ARENA_REGION", String::new()); // Written last, since it is a variable of Compose.
    set("ARENA_SIDE_ADDR", format!("0.0.0.0:{SIDE_PORT}"));
    set("ARENA_MESH_ADDR", format!("0.0.0.0:{MESH_PORT}"));
    set("ARENA_SECRETS_DIR", "/run/secrets".to_owned());
    set("ARENA_IDENTITY_DIR", format!("{IDENTITY_DIR}/{SLOT}"));
    set("ARENA_DATA_DIR", "/data".to_owned());
    if let Some(store) = store(release, name) {
        set("ARENA_STORE_ADDR", format!("{}:{MESH_PORT}", task_name(release, store)));
    }
    if !spec.configs.is_empty() {
        set("ARENA_CONFIGS_DIR", CONFIGS_DIR.to_owned());
    }
    if let Some(port) = spec.ports.public {
        let port = if port == Port::AUTO { PUBLIC_PORT } else { port.number() };
        set("ARENA_PUBLIC_ADDR", format!("0.0.0.0:{port}"));
    }
    for (key, value) in spec.variables(name) {
        set(&key, value.replace("{{", "{{\"{{\"}}")); // Swarm would take it for a template.
    }
    variables
}
