//! What was asked for, as a hash in the service's own labels: a service that no longer fits its seal was
//! changed by somebody else.

use std::collections::BTreeMap;

use arenactl_planning::Digest;
use bollard::models::ServiceSpec;
use serde::Serialize;

use super::observe::Placed;
use crate::swarm::{SwarmError, label};

/// What an operator would change by hand; the engine stores all of it as it was sent.
#[derive(Serialize)]
struct Sealed<'a> {
    image: Option<&'a str>,
    args: &'a [String],
    env: &'a [String],
    replicas: Option<i64>,
    constraints: &'a [String],
    nano_cpus: Option<i64>,
    memory_bytes: Option<i64>,
    files: Vec<&'a str>,
}

impl<'a> Sealed<'a> {
    fn of(spec: &'a ServiceSpec) -> Self {
        let task = spec.task_template.as_ref();
        let container = task.and_then(|it| it.container_spec.as_ref());
        let limits = task.and_then(|it| it.resources.as_ref()).and_then(|it| it.limits.as_ref());
        let mode = spec.mode.as_ref().and_then(|it| it.replicated.as_ref());
        let placement = task.and_then(|it| it.placement.as_ref());
        let secrets = container.and_then(|it| it.secrets.as_deref()).unwrap_or_default();
        let configs = container.and_then(|it| it.configs.as_deref()).unwrap_or_default();
        let secrets = secrets.iter().filter_map(|it| it.secret_name.as_deref());
        let configs = configs.iter().filter_map(|it| it.config_name.as_deref());
        let list = |list: Option<&'a Vec<String>>| list.map(Vec::as_slice).unwrap_or_default();
        Self {
            image: container.and_then(|it| it.image.as_deref()),
            args: list(container.and_then(|it| it.args.as_ref())),
            env: list(container.and_then(|it| it.env.as_ref())),
            replicas: mode.and_then(|it| it.replicas),
            constraints: list(placement.and_then(|it| it.constraints.as_ref())),
            nano_cpus: limits.and_then(|it| it.nano_cpus),
            memory_bytes: limits.and_then(|it| it.memory_bytes),
            files: secrets.chain(configs).collect(),
        }
    }

    fn parts(&self) -> BTreeMap<&'static str, Digest> {
        BTreeMap::from([
            ("image", Digest::of_json(&self.image)),
            ("args", Digest::of_json(&self.args)),
            ("env", Digest::of_json(&self.env)),
            ("replicas", Digest::of_json(&self.replicas)),
            ("constraints", Digest::of_json(&self.constraints)),
            ("resources", Digest::of_json(&(self.nano_cpus, self.memory_bytes))),
            ("secrets and configs", Digest::of_json(&self.files)),
        ])
    }
}

/// Returns the seal of a spec: a short hash a part, so that a difference can be named.
pub(super) fn of(spec: &ServiceSpec) -> String {
    let parts = Sealed::of(spec).parts();
    parts.values().map(Digest::short).collect::<Vec<_>>().join(".")
}

/// Refuses an instance whose service is not as arenactl left it.
///
/// # Errors
/// [`SwarmError::Drift`].
pub(super) fn check(placed: &Placed) -> Result<(), SwarmError> {
    let (Some(spec), Some(seal)) = (&placed.service.spec, placed.label(label::SEAL)) else {
        return Ok(());
    };
    let now = Sealed::of(spec).parts();
    let differs =
        |(was, (part, is)): (&str, (&&'static str, &Digest))| (was != is.short()).then_some(*part);
    let changed: Vec<_> = seal.split('.').zip(now.iter()).filter_map(differs).collect();
    let instance = placed.label(label::INSTANCE).and_then(|it| it.parse().ok());
    match instance {
        Some(instance) if !changed.is_empty() => Err(SwarmError::Drift {
            instance,
            service: placed.name().to_owned(),
            what: changed.join(", "),
        }),
        _ => Ok(()),
    }
}
