//! Nomad jobs, one a service and release, in the form that `POST /v1/jobs` takes.
//!
//! Durations are nanoseconds. Health is `manual`: arenactl decides when an allocation is healthy, so
//! nothing is promoted or reverted behind its back. Old instances are drained before they are stopped:
//! `KillTimeout` is capped by the client at 30 s. A job belongs to one release and never changes, so it is
//! registered only if there is none of its name.
//!
//! Secrets and identities are variables, at paths that a job may read unless an ACL says otherwise:
//! `nomad/jobs/<job>` holds secrets by name and configs as `config_<name>`, `nomad/jobs/<job>/<service>` holds `cert_<index>`,
//! `key_<index>` and `roots`.

mod task;

use arena_types::ServiceName;
use serde_json::{Value, json};

use crate::release::Release;
use crate::render::Rendered;
use crate::spec::{Kind, LabelName, Placement, Port, ServiceSpec};
use crate::units::Span;

/// Disk of an instance beside its data: a game's results until they are stored elsewhere.
const EPHEMERAL_DISK_MB: u64 = 300;
/// How long a failed allocation waits for its next node.
const RESCHEDULE_DELAY: Span = Span::from_s(5);
/// How long updates pause between batches; arenactl makes none, but Nomad wants a number.
const STAGGER: Span = Span::from_s(30);
/// The label that Nomad knows as an attribute of its own.
const REGION_LABEL: &str = "region";
/// Labels that describe GPUs: Nomad asks the devices themselves.
const GPU_MODEL_LABEL: &str = "gpu.model";
const GPU_VRAM_LABEL: &str = "gpu.vram_class";

/// Renders `release` as one job a service.
#[must_use]
pub fn nomad(release: &Release) -> Vec<Rendered> {
    release
        .spec
        .services
        .iter()
        .map(|(name, spec)| {
            let register = json!({
                "Job": job(release, name, spec),
                "EnforceIndex": true,
                "JobModifyIndex": 0,
            });
            let text = serde_json::to_string_pretty(&register).expect("JSON with text keys prints");
            Rendered { path: format!("nomad/{name}.nomad.json"), text: text + "\n" }
        })
        .collect()
}

const fn nanoseconds(span: Span) -> u64 {
    span.as_ms() * 1_000_000
}

fn job(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> Value {
    let id = job_id(release, name);
    json!({
        "ID": id,
        "Name": id,
        "Type": "service",
        "Namespace": "default",
        "Datacenters": ["*"],
        "Meta": {
            "arena.cluster": release.spec.cluster,
            "arena.release": release.id,
            "arena.service": name,
        },
        "TaskGroups": [group(release, name, spec)],
    })
}

fn job_id(release: &Release, name: &ServiceName) -> String {
    format!("{}-{name}-{}", release.spec.cluster, release.id)
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
            "Stagger": nanoseconds(STAGGER),
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
        "ReschedulePolicy": {
            "Attempts": 0,
            "Unlimited": true,
            "Delay": nanoseconds(RESCHEDULE_DELAY),
            "DelayFunction": "constant",
        },
        "EphemeralDisk": { "SizeMB": EPHEMERAL_DISK_MB, "Sticky": true, "Migrate": true },
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
        "Tasks": [task::task(release, name, spec)],
    });
    let constraints = constraints(&spec.placement, spec.resources.gpus > 0);
    if !constraints.is_empty() {
        group["Constraints"] = json!(constraints);
    }
    if !spec.placement.spread.is_empty() {
        group["Spreads"] = json!(spreads(&spec.placement));
    }
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

/// Returns what a node must have. Labels are the client's `meta`, with the same names.
fn constraints(placement: &Placement, with_gpus: bool) -> Vec<Value> {
    let own = placement
        .labels
        .iter()
        .filter(|(name, value)| !(with_gpus && task::device_constraint(name, value).is_some()));
    let mut constraints: Vec<Value> = own
        .map(
            |(name, value)| json!({ "LTarget": attribute(name), "RTarget": value, "Operand": "=" }),
        )
        .collect();
    if placement.max_per_node > 0 {
        constraints.push(json!({
            "LTarget": "${node.unique.id}",
            "RTarget": placement.max_per_node.to_string(),
            "Operand": "distinct_property",
        }));
    }
    constraints
}

/// Spreads over labels, each half as important as the one before.
fn spreads(placement: &Placement) -> Vec<Value> {
    let weights = std::iter::successors(Some(100_u32), |it| Some((it / 2).max(1)));
    let spread = |(name, weight)| json!({ "Attribute": attribute(name), "Weight": weight });
    placement.spread.iter().zip(weights).map(spread).collect()
}

fn attribute(label: &LabelName) -> String {
    match label.as_str() {
        REGION_LABEL => "${node.region}".to_owned(),
        other => format!("${{meta.{other}}}"),
    }
}
