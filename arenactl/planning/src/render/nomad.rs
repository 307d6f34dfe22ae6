//! Nomad jobs, one a service and release, in the form that `POST /v1/jobs` takes.
//!
//! Durations are nanoseconds. Health is `manual`: arenactl decides when an allocation is healthy, so
//! nothing is promoted or reverted behind its back. Old instances are drained before they are stopped:
//! `KillTimeout` is capped by the client at 30 s.

use std::collections::BTreeMap;

use arena_types::ServiceName;
use serde_json::{Value, json};

use crate::release::Release;
use crate::render::{Rendered, image, named};
use crate::spec::{Kind, Port, ServiceSpec};
use crate::units::Span;

/// What a client allows at most unless it was configured otherwise (`max_kill_timeout`).
const KILL_TIMEOUT: Span = Span::from_s(30);
/// Megahertz that are asked for one core; what a core has depends on the machine.
const MHZ_PER_CORE: u64 = 1_000;

/// Renders `release` as one job a service.
#[must_use]
pub fn nomad(release: &Release) -> Vec<Rendered> {
    release
        .spec
        .services
        .iter()
        .map(|(name, spec)| {
            let job = json!({ "Job": job(release, name, spec) });
            let text = serde_json::to_string_pretty(&job).expect("JSON with text keys prints");
            Rendered { path: format!("nomad/{name}.nomad.json"), text: text + "\n" }
        })
        .collect()
}

const fn nanoseconds(span: Span) -> u64 {
    span.as_ms() * 1_000_000
}

fn job(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> Value {
    let id = format!("{}-{name}-{}", release.spec.cluster, release.id);
    json!({
        "ID": id,
        "Name": id,
        "Type": "service",
        "Datacenters": ["*"],
        "Meta": {
            "arena.cluster": release.spec.cluster,
            "arena.release": release.id,
            "arena.service": name,
        },
        "TaskGroups": [group(release, name, spec)],
    })
}

fn group(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> Value {
    let mut group = json!({
        "Name": name,
        "Count": spec.instances,
        "Update": {
            "MaxParallel": spec.batch,
            "HealthCheck": "manual",
            "AutoRevert": false,
            "AutoPromote": false,
            "MinHealthyTime": 0,
            "HealthyDeadline": nanoseconds(spec.ready_timeout),
            "ProgressDeadline": 2 * nanoseconds(spec.ready_timeout),
        },
        "RestartPolicy": {
            "Attempts": spec.restart.attempts,
            "Interval": nanoseconds(spec.restart.within),
            "Delay": nanoseconds(Span::from_s(1)),
            "Mode": "fail",
        },
        "Networks": [network(spec)],
        "Services": [{
            "Name": format!("{}-{name}", release.spec.cluster),
            "Provider": "nomad",
            "PortLabel": "mesh",
            "Meta": { "release": release.id },
            "Checks": [{
                "Name": "ready",
                "Type": "http",
                "Path": "/readyz",
                "PortLabel": "side",
                "Interval": nanoseconds(Span::from_s(2)),
                "Timeout": nanoseconds(Span::from_s(1)),
            }],
        }],
        "Tasks": [task(release, name, spec)],
    });
    if spec.kind == Kind::Data {
        let source = format!("{}-{name}", release.spec.cluster);
        group["Volumes"] = json!({ "data": { "Type": "host", "Source": source } });
    }
    group
}

/// The side and mesh ports are chosen by Nomad; the public one too, unless the spec fixes it.
fn network(spec: &ServiceSpec) -> Value {
    let mut network = json!({
        "Mode": "host",
        "DynamicPorts": [{ "Label": "side" }, { "Label": "mesh" }],
    });
    match spec.ports.public.map(Port::number) {
        Some(0) => network["DynamicPorts"][2] = json!({ "Label": "public" }),
        Some(port) => network["ReservedPorts"] = json!([{ "Label": "public", "Value": port }]),
        None => {}
    }
    network
}

fn task(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> Value {
    let mut ports = vec!["side", "mesh"];
    ports.extend(spec.ports.public.map(|_| "public"));
    let variable = format!("nomad/jobs/{}/secrets", release.spec.cluster);
    let template = |secret: &crate::spec::SecretName| {
        let text =
            format!("{{{{ with nomadVar \"{variable}\" }}}}{{{{ .{secret} }}}}{{{{ end }}}}");
        let path = format!("secrets/{secret}");
        json!({ "EmbeddedTmpl": text, "DestPath": path, "Perms": "0400", "ChangeMode": "noop" })
    };
    let mut task = json!({
        "Name": name,
        "Driver": "docker",
        "KillSignal": "SIGTERM",
        "KillTimeout": nanoseconds(spec.drain.deadline.min(KILL_TIMEOUT)),
        "Config": {
            "image": image(release, name),
            "args": spec.args,
            "ports": ports,
            "network_mode": "host",
        },
        "Env": environment(release, name, spec),
        "Templates": spec.secrets.iter().map(template).collect::<Vec<_>>(),
        "Resources": {
            "CPU": u64::from(spec.resources.cpu.as_milli()) * MHZ_PER_CORE / 1_000,
            "MemoryMB": spec.resources.memory.as_u64() >> 20,
        },
    });
    if spec.resources.gpus > 0 {
        let gpus = json!([{ "Name": "nvidia/gpu", "Count": spec.resources.gpus }]);
        task["Resources"]["Devices"] = gpus;
    }
    if spec.kind == Kind::Data {
        task["VolumeMounts"] = json!([{ "Volume": "data", "Destination": "/data" }]);
    }
    task
}

fn environment(
    release: &Release,
    name: &ServiceName,
    spec: &ServiceSpec,
) -> BTreeMap<String, String> {
    let mut variables = named(release, name, spec);
    let mut set = |key: &str, value: &str| variables.insert(key.to_owned(), value.to_owned());
    set("ARENA_INSTANCE", &format!("{name}-{}-${{NOMAD_ALLOC_INDEX}}", release.id));
    set("ARENA_REGION", "${NOMAD_REGION}");
    set("ARENA_SIDE_ADDR", "${NOMAD_ADDR_side}");
    set("ARENA_MESH_ADDR", "${NOMAD_ADDR_mesh}");
    set("ARENA_SECRETS_DIR", "${NOMAD_SECRETS_DIR}");
    if spec.ports.public.is_some() {
        set("ARENA_PUBLIC_ADDR", "${NOMAD_ADDR_public}");
    }
    for (key, value) in spec.variables(name) {
        set(&key, &value);
    }
    variables
}
