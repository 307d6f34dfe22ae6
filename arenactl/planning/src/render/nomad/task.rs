//! The one task of a job: what runs, with what.

use std::collections::BTreeMap;

use arena_types::ServiceName;
use serde_json::{Value, json};

use super::{GPU_MODEL_LABEL, GPU_VRAM_LABEL, job_id, nanoseconds};
use crate::release::Release;
use crate::render::{image, named, store};
use crate::spec::{Kind, LabelName, LabelValue, ServiceSpec};
use crate::units::Span;

/// What a client allows at most unless it was configured otherwise (`max_kill_timeout`).
const KILL_TIMEOUT: Span = Span::from_s(30);
/// Megahertz that are asked for one core; what a core has depends on the machine.
const MHZ_PER_CORE: u64 = 1_000;
/// Bytes that an instance may leave in `/tmp`, which counts as its memory.
const TMP_BYTES: u64 = 64 << 20;

pub(super) fn task(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> Value {
    let mut ports = vec!["side", "mesh"];
    ports.extend(spec.ports.public.map(|_| "public"));
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
            "readonly_rootfs": true,
            "cap_drop": ["ALL"],
            "mount": [{
                "type": "tmpfs",
                "target": "/tmp",
                "readonly": false,
                "tmpfs_options": { "size": TMP_BYTES },
            }],
        },
        "Env": environment(release, name, spec),
        "Templates": templates(release, name, spec),
        "Resources": {
            "CPU": u64::from(spec.resources.cpu.as_milli()) * MHZ_PER_CORE / 1_000,
            "MemoryMB": spec.resources.memory.as_u64() >> 20,
        },
    });
    if spec.resources.gpus > 0 {
        task["Resources"]["Devices"] = json!([device(spec)]);
    }
    if spec.kind == Kind::Data {
        task["VolumeMounts"] = json!([{ "Volume": "data", "Destination": "/data" }]);
    }
    task
}

/// Whole GPUs, as the plugin `nomad-device-nvidia` offers them.
fn device(spec: &ServiceSpec) -> Value {
    let labels = spec.placement.labels.iter();
    let constraints: Vec<Value> =
        labels.filter_map(|(name, value)| device_constraint(name, value)).collect();
    let mut device = json!({ "Name": "nvidia/gpu", "Count": spec.resources.gpus });
    if !constraints.is_empty() {
        device["Constraints"] = json!(constraints);
    }
    device
}

/// Returns what a label asks of a GPU, if it is about GPUs. A class is a promise of so many GB (10⁹
/// bytes, as cards are sold), and the plugin knows the memory itself.
pub(super) fn device_constraint(name: &LabelName, value: &LabelValue) -> Option<Value> {
    match name.as_str() {
        GPU_MODEL_LABEL => {
            Some(json!({ "LTarget": "${device.model}", "RTarget": value, "Operand": "=" }))
        }
        GPU_VRAM_LABEL => {
            let gigabytes: u32 =
                value.as_str().to_ascii_lowercase().strip_suffix('g')?.parse().ok()?;
            let memory = format!("{gigabytes} GB");
            Some(json!({ "LTarget": "${device.attr.memory}", "RTarget": memory, "Operand": ">=" }))
        }
        _ => None,
    }
}

/// Only the task sees its `secrets/`, whatever user its image has.
fn templates(release: &Release, name: &ServiceName, spec: &ServiceSpec) -> Vec<Value> {
    let job = job_id(release, name);
    let file = |path: String, item: &str, file: String| {
        let text = format!("{{{{ with nomadVar \"{path}\" }}}}{{{{ {item} }}}}{{{{ end }}}}");
        json!({ "EmbeddedTmpl": text, "DestPath": file, "Perms": "0444", "ChangeMode": "noop" })
    };
    let secret = |it| file(format!("nomad/jobs/{job}"), &format!(".{it}"), format!("secrets/{it}"));
    let identity = |part: &str, item: &str| {
        let path = format!("nomad/jobs/{job}/{name}");
        file(path, item, format!("secrets/identity/{part}.pem"))
    };
    let config = |it| {
        let item = format!(".config_{it}");
        file(format!("nomad/jobs/{job}"), &item, format!("local/configs/{it}"))
    };
    let mut templates: Vec<Value> = spec.secrets.iter().map(secret).collect();
    templates.extend(spec.configs.iter().map(config));
    for part in ["cert", "key"] {
        let item = format!("index . (env \"NOMAD_ALLOC_INDEX\" | printf \"{part}_%s\")");
        templates.push(identity(part, &item));
    }
    templates.push(identity("roots", ".roots"));
    if store(release, name).is_some() {
        templates.push(store_template(release));
    }
    templates
}

/// Where the service `store` answers is known once it runs.
fn store_template(release: &Release) -> Value {
    let service = format!("{}-store", release.spec.cluster);
    let text = format!(
        "{{{{ range nomadService \"{service}\" }}}}ARENA_STORE_ADDR={{{{ .Address }}}}:{{{{ .Port }}}}\n{{{{ end }}}}"
    );
    json!({
        "EmbeddedTmpl": text,
        "DestPath": "local/store.env",
        "Envvars": true,
        "ChangeMode": "noop",
    })
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
    set("ARENA_IDENTITY_DIR", "${NOMAD_SECRETS_DIR}/identity");
    let data = if spec.kind == Kind::Data { "/data" } else { "${NOMAD_ALLOC_DIR}/data" };
    set("ARENA_DATA_DIR", data);
    if !spec.configs.is_empty() {
        set("ARENA_CONFIGS_DIR", "${NOMAD_TASK_DIR}/configs");
    }
    if spec.ports.public.is_some() {
        set("ARENA_PUBLIC_ADDR", "${NOMAD_ADDR_public}");
    }
    for (key, value) in spec.variables(name) {
        set(&key, &value);
    }
    variables
}
