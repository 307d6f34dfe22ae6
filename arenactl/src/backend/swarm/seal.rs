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

/// How the parts are hashed; a seal of another arenactl, which hashes others, says nothing.
const SEAL_VERSION: &str = "1";

/// Returns the seal of a spec: a short hash a part, so that a difference can be named.
pub(super) fn of(spec: &ServiceSpec) -> String {
    let parts = Sealed::of(spec).parts();
    let hashes = parts.values().map(Digest::short);
    std::iter::once(SEAL_VERSION.to_owned()).chain(hashes).collect::<Vec<_>>().join(".")
}

/// Refuses an instance whose service is not as arenactl left it.
///
/// # Errors
/// [`SwarmError::Drift`].
pub(super) fn check(placed: &Placed) -> Result<(), SwarmError> {
    let (Some(spec), Some(seal)) = (&placed.service.spec, placed.label(label::SEAL)) else {
        return Ok(());
    };
    let Some((SEAL_VERSION, seal)) = seal.split_once('.') else { return Ok(()) };
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

#[cfg(test)]
mod tests {
    use bollard::models::{Service, TaskSpec, TaskSpecContainerSpec};

    use super::super::service::replicas;
    use super::*;

    fn spec() -> ServiceSpec {
        let container = TaskSpecContainerSpec {
            image: Some("game@sha256:1".to_owned()),
            env: Some(vec!["A=1".to_owned()]),
            ..TaskSpecContainerSpec::default()
        };
        let task = TaskSpec { container_spec: Some(container), ..TaskSpec::default() };
        let mut spec = ServiceSpec {
            name: Some("arena_eu-fra_game-r1-0".to_owned()),
            task_template: Some(task),
            mode: Some(replicas(1)),
            ..ServiceSpec::default()
        };
        let seal = (label::SEAL.to_owned(), of(&spec));
        let own = (label::INSTANCE.to_owned(), "game-r1-0".to_owned());
        spec.labels = Some([seal, own].into());
        spec
    }

    fn differs(change: impl Fn(&mut ServiceSpec)) -> Option<String> {
        let mut spec = spec();
        change(&mut spec);
        let labels = spec.labels.clone().unwrap();
        let service = Service { spec: Some(spec), ..Service::default() };
        match check(&Placed { service, labels, tasks: Vec::new() }) {
            Ok(()) => None,
            Err(SwarmError::Drift { what, .. }) => Some(what),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_somebody_else_changed_is_named() {
        fn container(spec: &mut ServiceSpec) -> &mut TaskSpecContainerSpec {
            spec.task_template.as_mut().unwrap().container_spec.as_mut().unwrap()
        }
        assert_eq!(differs(|_| {}), None);
        assert_eq!(differs(|it| it.mode = Some(replicas(0))).as_deref(), Some("replicas"));
        let image = |it: &mut ServiceSpec| container(it).image = Some("game:latest".to_owned());
        assert_eq!(differs(image).as_deref(), Some("image"));
        let env = |it: &mut ServiceSpec| {
            container(it).env.as_mut().unwrap().push("B=2".to_owned());
            it.mode = Some(replicas(3));
        };
        assert_eq!(differs(env).as_deref(), Some("env, replicas"));
        let other = |it: &mut ServiceSpec| {
            it.labels.as_mut().unwrap().insert(label::SEAL.to_owned(), "9.x".to_owned());
        };
        assert_eq!(differs(other), None, "the seal of another arenactl says nothing");
    }
}
