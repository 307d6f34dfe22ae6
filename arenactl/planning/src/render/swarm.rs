//! A Docker stack (`docker stack deploy`; Compose file format 3.8).
//!
//! Service names carry the release (`game-r42`), so that two releases run side by side. QUIC ports are
//! never published through the ingress mesh, which loses UDP after an update (moby/moby#36878); the
//! public port is published in host mode, so the old task must stop before the new one starts there.

use std::collections::BTreeMap;

use arena_types::ServiceName;
use serde_json::{Value, json};

use crate::release::Release;
use crate::render::{MESH_PORT, Rendered, SIDE_PORT, image, named, object_name};
use crate::spec::{Kind, Port, SecretName, ServiceSpec};

/// The kind of generic resource that nodes declare for a GPU. With this one the container runtime
/// shows a task the GPUs it was given and no others.
const GPU_KIND: &str = "GPU";

/// Renders `release` as one stack.
#[must_use]
pub fn swarm(release: &Release) -> Rendered {
    let services = &release.spec.services;
    let used: BTreeMap<String, Value> = services
        .values()
        .flat_map(|it| &it.secrets)
        .map(|it| (it.to_string(), secret(release, it)))
        .collect();
    let volumes: BTreeMap<String, Value> = services
        .iter()
        .filter(|(_, it)| it.kind == Kind::Data)
        .map(|(name, _)| (name.to_string(), json!({})))
        .collect();
    let rendered: BTreeMap<String, Value> = services
        .iter()
        .map(|(name, it)| (format!("{name}-{}", release.id), service(release, name, it)))
        .collect();
    let stack = json!({
        "version": "3.8",
        "networks": { "mesh": { "driver": "overlay" } },
        "secrets": used,
        "volumes": volumes,
        "services": rendered,
    });
    let yaml = serde_yaml::to_string(&stack).expect("plain data with text keys is YAML");
    let environment = &release.spec.environment;
    let head =
        format!("# Written by `arenactl render` from arena.yaml ({environment}); not by hand.\n");
    Rendered { path: format!("stacks/{environment}.yml"), text: head + &yaml }
}

/// Secrets are immutable in Swarm: their name carries the hash, so that a new value is a new name.
fn secret(release: &Release, name: &SecretName) -> Value {
    let cluster = &release.spec.cluster;
    let name = match release.secret_hashes.get(name) {
        Some(hash) => object_name(cluster, name.as_str(), *hash),
        None => format!("{cluster}_{name}"),
    };
    json!({ "external": true, "name": name })
}

fn service(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> Value {
    let mut service = json!({
        "image": image(release, name),
        "environment": environment(release, name, spec),
        "networks": ["mesh"],
        "secrets": spec.secrets,
        "stop_grace_period": format!("{}s", spec.drain.deadline.as_s()),
        "deploy": deploy(release, name, spec),
    });
    if !spec.args.is_empty() {
        service["command"] = json!(spec.args);
    }
    if let Some(port) = fixed_public_port(spec) {
        service["ports"] =
            json!([{ "target": port, "published": port, "protocol": "tcp", "mode": "host" }]);
    }
    if spec.kind == Kind::Data {
        service["volumes"] = json!([format!("{name}:/data")]);
    }
    service
}

fn fixed_public_port(spec: &ServiceSpec) -> Option<u16> {
    spec.ports.public.map(Port::number).filter(|it| *it > 0)
}

fn deploy(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> Value {
    let stops_first = spec.kind == Kind::Data || fixed_public_port(spec).is_some();
    json!({
        "replicas": spec.instances,
        "labels": {
            "arena.cluster": release.spec.cluster,
            "arena.release": release.id,
            "arena.service": name,
        },
        "update_config": {
            "parallelism": spec.batch,
            "order": if stops_first { "stop-first" } else { "start-first" },
            "failure_action": "pause", // arenactl decides what follows, not the engine
        },
        "restart_policy": {
            "condition": "on-failure",
            "delay": "1s",
            "max_attempts": spec.restart.attempts,
            "window": format!("{}s", spec.restart.within.as_s()),
        },
        "resources": { "limits": share(spec, 0), "reservations": share(spec, spec.resources.gpus) },
    })
}

fn share(spec: &ServiceSpec, gpus: u32) -> Value {
    let mut share = json!({
        "cpus": spec.resources.cpu,
        "memory": format!("{}b", spec.resources.memory.as_u64()),
    });
    if gpus > 0 {
        share["generic_resources"] =
            json!([{ "discrete_resource_spec": { "kind": GPU_KIND, "value": gpus } }]);
    }
    share
}

fn environment(
    release: &Release,
    name: &ServiceName,
    spec: &ServiceSpec,
) -> BTreeMap<String, String> {
    let mut variables = named(release, name, spec);
    let mut set = |key: &str, value: String| variables.insert(key.to_owned(), value);
    set("ARENA_INSTANCE", format!("{name}-{}-{{{{.Task.Slot}}}}", release.id));
    set("ARENA_REGION", "${ARENA_REGION:?name the region}".to_owned());
    set("ARENA_SIDE_ADDR", format!("0.0.0.0:{SIDE_PORT}"));
    set("ARENA_MESH_ADDR", format!("0.0.0.0:{MESH_PORT}"));
    set("ARENA_SECRETS_DIR", "/run/secrets".to_owned());
    if let Some(port) = spec.ports.public {
        set("ARENA_PUBLIC_ADDR", format!("0.0.0.0:{}", port.number()));
    }
    for (key, value) in spec.variables(name) {
        set(&key, value.replace('$', "$$")); // Compose would replace `$NAME`
    }
    variables
}
