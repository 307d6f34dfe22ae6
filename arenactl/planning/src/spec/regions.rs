//! `regions`: where Arena runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::error::Problem;
use crate::spec::section::{Rule, Section};

/// What starts and stops instances in a region.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Supervised processes on this machine.
    Local,
    /// Docker Swarm.
    Swarm,
    /// Nomad.
    Nomad,
}

/// One cluster behind one orchestrator endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RegionSpec {
    /// What starts and stops instances there.
    pub backend: Backend,
    /// Where the orchestrator answers; `local` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// GPUs of the whole region, where they are known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// GPUs of its largest node, where they are known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus_per_node: Option<u32>,
    /// The kind of generic resource by which nodes of a swarm declare their GPUs.
    #[serde(default = "gpu_kind_default", skip_serializing_if = "is_gpu_kind_default")]
    pub gpu_kind: String,
    /// What proves who is who on a `tcp://` endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// Files in PEM by which an orchestrator and arenactl know each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tls {
    /// Who issued the orchestrator's certificate.
    pub ca: String,
    /// Our certificate.
    pub cert: String,
    /// Its key.
    pub key: String,
}

/// The kind of generic resource of a region that names none.
pub const GPU_KIND_DEFAULT: &str = "NVIDIA-GPU";

fn gpu_kind_default() -> String {
    GPU_KIND_DEFAULT.to_owned()
}

fn is_gpu_kind_default(kind: &str) -> bool {
    kind == GPU_KIND_DEFAULT
}

/// Most GPUs anyone has in a region; more is a slip of the hand.
const GPUS_MAX: u32 = 100_000;

impl RegionSpec {
    pub(super) fn read(section: &mut Section<'_, '_, '_>) -> Self {
        let backend = section.choice("backend", &BACKENDS);
        if backend.is_none() && !section.has("backend") {
            let help = "write `backend: local`, `swarm` or `nomad`".to_owned();
            section.mistake("backend", Problem::Missing { help });
        }
        let backend = backend.unwrap_or(Backend::Local);
        let endpoint = endpoint(section, backend);
        let tls = tls(section, endpoint.as_deref());
        let gpu_count = |section: &mut Section<'_, '_, '_>, key| {
            let count = section.number(key, 0..=GPUS_MAX, 0);
            section.has(key).then_some(count)
        };
        let gpus = gpu_count(section, "gpus");
        let gpus_per_node = gpu_count(section, "gpus_per_node");
        if let (Some(all), Some(node)) = (gpus, gpus_per_node)
            && node > all
        {
            let what = format!("is {node}, but the whole region has {all}");
            section.conflict("gpus_per_node", what, "correct one of the two");
        }
        let gpu_kind = gpu_kind(section, backend);
        Self { backend, endpoint, gpus, gpus_per_node, gpu_kind, tls }
    }
}

const BACKENDS: [(&str, Backend); 3] =
    [("local", Backend::Local), ("swarm", Backend::Swarm), ("nomad", Backend::Nomad)];

/// What a manager of a swarm is reached by.
const SWARM_ENDPOINT: Rule = Rule {
    what: "where a Docker Engine answers",
    help: "write `ssh://user@host`, `tcp://host:2376` with `tls`, or `unix:///var/run/docker.sock`",
    holds: is_swarm_endpoint,
};
/// dockerd `--node-generic-resource`: the kind also becomes part of a variable, `DOCKER_RESOURCE_<KIND>`.
const GPU_KIND: Rule = Rule {
    what: "a kind of generic resource",
    help: "write it as the nodes declare it: letters, digits, `-` and `_`, such as `NVIDIA-GPU`",
    holds: is_gpu_kind,
};

fn endpoint(section: &mut Section<'_, '_, '_>, backend: Backend) -> Option<String> {
    let endpoint = match backend {
        Backend::Swarm => section.text_by("endpoint", &SWARM_ENDPOINT),
        Backend::Local | Backend::Nomad => section.value("endpoint"),
    };
    let example = match backend {
        Backend::Local => {
            if endpoint.is_some() {
                section.conflict(
                    "endpoint",
                    "does not fit `backend: local`, which runs on this machine",
                    "remove it, or choose `swarm` or `nomad`",
                );
            }
            return endpoint;
        }
        Backend::Swarm => "ssh://deploy@eu-fra.example.com",
        Backend::Nomad => "https://nomad.eu-fra:4646",
    };
    if !section.has("endpoint") {
        let help = format!("write where the orchestrator answers: `{example}`");
        section.mistake("endpoint", Problem::Missing { help });
    }
    endpoint
}

fn is_swarm_endpoint(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let named = |host: &str| {
        host.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '[')
            && host.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_[]:".contains(&it))
    };
    let port = |text: &str| text.parse::<u16>().is_ok_and(|it| it > 0);
    let (host, at_port) = match rest.rsplit_once('@').map_or(rest, |it| it.1).rsplit_once(':') {
        Some((host, number)) if !number.ends_with(']') => (host, Some(port(number))),
        _ => (rest.rsplit_once('@').map_or(rest, |it| it.1), None),
    };
    match scheme {
        "unix" => rest.starts_with('/') && rest.len() > 1,
        "tcp" => named(host) && at_port == Some(true) && !rest.contains('@'),
        "ssh" => named(host) && at_port != Some(false),
        _ => false,
    }
}

fn tls(section: &mut Section<'_, '_, '_>, endpoint: Option<&str>) -> Option<Tls> {
    let tcp = endpoint.and_then(|it| it.strip_prefix("tcp://"));
    if !section.has("tls") {
        let is_near =
            |it: &str| ["127.", "localhost:", "[::1]:"].iter().any(|us| it.starts_with(us));
        if tcp.is_some_and(|it| !is_near(it)) {
            let what = "is open to everyone who reaches the port, who then owns the machine";
            let help = "write `tls: { ca: …, cert: …, key: … }` below it, or use `ssh://`";
            section.conflict("endpoint", what, help);
        }
        return None;
    }
    if tcp.is_none() && endpoint.is_some() {
        let what = "is for `tcp://` endpoints of a swarm alone";
        section.conflict("tls", what, "remove it, or write the endpoint as `tcp://host:2376`");
    }
    section.section("tls", |it| {
        let mut file = |key| {
            let path: Option<String> = it.value(key);
            if it.is_there() && !it.has(key) {
                let help = "name a file in PEM".to_owned();
                it.mistake(key, Problem::Missing { help });
            }
            path.unwrap_or_default()
        };
        Some(Tls { ca: file("ca"), cert: file("cert"), key: file("key") })
    })
}

fn gpu_kind(section: &mut Section<'_, '_, '_>, backend: Backend) -> String {
    let kind = section.text_by("gpu_kind", &GPU_KIND);
    if kind.is_some() && backend != Backend::Swarm {
        let what = "only nodes of a swarm declare GPUs by kind";
        section.conflict("gpu_kind", what, "remove it");
    }
    kind.unwrap_or_else(gpu_kind_default)
}

fn is_gpu_kind(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic())
        && text.len() <= 63
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
}
